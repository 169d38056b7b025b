/** Bounds of the SSH tunnel. */

/** Channels of one SSH connection that are open, being opened or being closed; more are refused. */
export const MAX_SSH_CHANNELS = 8192
/** Bytes that a server may send on a channel before its program has read anything. */
export const SSH_WINDOW_FIRST = 131_072
/** Bytes that a server may send ahead of a program that reads, at most. */
export const SSH_WINDOW_MOST = 2_097_152
/** Bytes of all windows of programs that read, together; above it each gets less, but SSH_WINDOW_FIRST. */
export const SSH_WINDOWS_TOTAL = 67_108_864
/** Bytes that wait for a slow server before channels take no more from their programs. */
export const SSH_OUTPUT_HIGH = 262_144
/** Bytes that wait for a server that reads nothing and yet demands answers; more ends the connection. */
export const SSH_OUTPUT_MOST = 4_194_304
/** Rounds of questions (keyboard-interactive) and keys that are tried for one login; more fail it. */
export const MAX_SSH_AUTH_ROUNDS = 64
/** Bytes of one known_hosts file; what is behind is not looked at. */
export const MAX_KNOWN_HOSTS_BYTES = 4_194_304
