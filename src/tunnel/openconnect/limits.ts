/** The bounds of the SSL-VPN client. */

/** Bytes of the head of one HTTP answer (the routes of the environment stand there); a longer one ends the attempt. */
export const OC_HEAD_BYTES = 262_144

/** Lines of one head; more end the attempt. */
export const OC_HEAD_LINES = 4096

/** Interim answers (100) before an answer; more end the attempt. */
export const OC_INTERIM = 16

/** Bytes of the body of one HTTP answer; a longer one ends the attempt. */
export const OC_BODY_BYTES = 131_072

/** Bytes of answers that wait for the next turn; more end the connection. */
export const OC_WAITING_BYTES = 1_048_576

/** Elements inside each other in one XML document; deeper ones are refused. */
export const OC_XML_DEPTH = 16

/** Elements of one XML document; more are refused. */
export const OC_XML_ELEMENTS = 1024

/** Fields of one form, and options of one choice; more are refused. */
export const OC_FORM_FIELDS = 64

/** Forms answered in one authentication; then it is given up. */
export const OC_FORMS = 12

/** Redirects followed in one authentication; then it is given up. */
export const OC_REDIRECTS = 5

/** Cookies kept of a server; further ones are left out. */
export const OC_COOKIES = 32

/** Bytes of one cookie; a longer one is left out. */
export const OC_COOKIE_BYTES = 4096

/** Networks of the split tunnel taken from a server, both kinds together; further ones are left out. */
export const OC_ROUTES = 2048

/** DNS servers, and search domains, taken from a server; further ones are left out. */
export const OC_NAMES = 32

/** Bytes inside one frame of the tunnel; a longer one ends the connection, as nothing behind it can be found. */
export const OC_FRAME_BYTES = 2048

/** Control frames of ours that wait for the driver; the oldest is dropped. */
export const OC_OUTGOING = 32

/** Events that nobody has taken yet; the oldest is dropped. */
export const OC_EVENTS = 16

/** Addresses tried of the server's name. */
export const OC_ADDRESSES = 8

/** Characters of a server's message that are told to people; the rest is left out. */
export const OC_MESSAGE = 200

/** Attempts in a row that show a cookie and get no answer at all; then the client logs in anew. */
export const OC_COOKIE_TRIES = 3

/** Attempts in a row that give a secret and get no answer to it; then it waits for a person. */
export const OC_SECRET_TRIES = 3

/** Seconds that the installed openconnect tries to get a lost connection back; then it ends, and is started again. */
export const ENGINE_RECONNECT = 60

/** Characters kept of what it has printed since its last question was answered; earlier ones are left out. */
export const ENGINE_TEXT = 8192

/** Questions of it in one login; then it is given up. */
export const ENGINE_PROMPTS = 24

/** Bytes of one answer to it: it reads no longer line. A longer one is refused. */
export const ENGINE_ANSWER_BYTES = 1023
