/** Bounds of what configuration files may make us do. */

/** Bytes of a configuration file; a larger one is an error. */
export const MAX_CONFIG_BYTES = 262_144
/** Values read from one configuration, aliases counted each time they are used; more is an error. */
export const MAX_CONFIG_VALUES = 50_000
/** Problems kept for one configuration; the rest is left out, and that is said. */
export const MAX_PROBLEMS = 200
/** Environments in one configuration; more is an error. */
export const MAX_ENVIRONMENTS = 256
/** Bytes of a tunnel's own file (wg-quick and others); a larger one is an error. */
export const MAX_TUNNEL_FILE_BYTES = 262_144
/** Bytes of a secret, from a file or a command's output; more is an error. */
export const MAX_SECRET_BYTES = 65_536
/** Milliseconds that an `x_command` may run before it is killed, which is an error. */
export const SECRET_COMMAND_MS = 30_000
/** Bytes of a user's name and password (RFC 1929 gives each one length byte); more is an error. */
export const MAX_CREDENTIAL_BYTES = 255
/** Bytes of a Unix socket's path (`sun_path` without its final zero); more is an error. */
export const MAX_SOCKET_PATH_BYTES = 107
/** Peers of one WireGuard interface; more is an error. */
export const MAX_WIREGUARD_PEERS = 1024
/** AllowedIPs of one WireGuard interface, all peers together; more is an error. */
export const MAX_ALLOWED_IPS = 16_384
/** Seconds that `connect_timeout` may be; more is an error. */
export const MAX_CONNECT_TIMEOUT = 600
/** Maps merged (`<<`) into each other, one inside the other; more is an error. */
export const MAX_MERGE_DEPTH = 16

/** Entries of `form` of one tunnel. More are refused. */
export const MAX_FORM_FIELDS = 64
/** Files that an ssh_config may include, itself among them; more are left out, with a warning. */
export const MAX_SSH_FILES = 64
/** Files that include each other, one inside the other (OpenSSH's own bound); deeper ones are left out. */
export const MAX_SSH_INCLUDE_DEPTH = 16
/** SSH servers on the way to the last one; more is an error. */
export const MAX_SSH_JUMPS = 8
/** Private keys tried at one SSH server; more is an error. */
export const MAX_SSH_KEYS = 32
