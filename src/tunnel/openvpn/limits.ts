/** The bounds of the OpenVPN client. */

/** Control packets of ours that wait for an acknowledgement (OpenVPN's own number); more stay bytes until one comes. */
export const OVPN_SEND_WINDOW = 6

/** Control packets of the peer accepted ahead of the first missing one; others are dropped and come again. */
export const OVPN_RECEIVE_WINDOW = 8

/** Bytes of one control datagram; longer TLS output is cut into several. */
export const OVPN_CONTROL_DATAGRAM = 1200

/** Bytes of TLS records that wait for the send window; a peer that makes us owe it more is left. */
export const OVPN_CONTROL_QUEUE_BYTES = 65_536

/** Packet ids to be acknowledged that wait for a packet to ride on; the oldest is forgotten, as the peer sends again. */
export const OVPN_PENDING_ACKS = 16

/** Bytes of one control message (PUSH_REPLY and the like) and of the key exchange; a longer one ends the connection. */
export const OVPN_MESSAGE_BYTES = 65_536

/** Options of one push, all its messages together; a longer push ends the connection. */
export const OVPN_PUSHED_OPTIONS = 4096

/** Routes taken from a push or a file; further ones are left out, and counted. */
export const OVPN_ROUTES = 2048

/** `dns server`s of one push, addresses of each, and domains of each and of the search list; further ones are left out. */
export const OVPN_DNS_SERVERS = 32
export const OVPN_DNS_ADDRESSES = 8
export const OVPN_DNS_DOMAINS = 256

/** Bytes of one packet over TCP; a longer one ends the connection, as nothing behind it can be found. */
export const OVPN_STREAM_PACKET_BYTES = 2048

/** Datagrams of ours (handshake, pings) that wait for the driver; the oldest is dropped. */
export const OVPN_OUTGOING = 64

/** Events that nobody has taken yet; the oldest is dropped. */
export const OVPN_EVENTS = 16

/** Answers of the TLS engine that wait for the next turn; more end the connection. */
export const OVPN_TLS_EVENTS = 1024

/** Addresses tried of one remote's name. */
export const OVPN_REMOTE_ADDRESSES = 8

/** Characters of what a server calls a challenge by, and of an address that it wants opened; a longer one is not answered, or not shown. */
export const OVPN_CHALLENGE_STATE = 1024
