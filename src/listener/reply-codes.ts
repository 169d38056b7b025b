/** What each failure looks like to a program: closed tables, one row per code. */
import type { ErrorCode } from '../core/errors.js'
import {
  REPLY_COMMAND_UNSUPPORTED,
  REPLY_FAILURE,
  REPLY_HOST_UNREACHABLE,
  REPLY_NETWORK_UNREACHABLE,
  REPLY_NOT_ALLOWED,
  REPLY_REFUSED,
  REPLY_TTL_EXPIRED,
} from '../wire/socks5.js'

/** RFC 1928 section 6. SOCKS4 has one answer for all: rejected. */
export const SOCKS5_REPLIES = {
  ERR_ABORTED: REPLY_FAILURE,
  ERR_AUTH: REPLY_NOT_ALLOWED,
  ERR_CONFIG: REPLY_FAILURE,
  ERR_DENIED: REPLY_NOT_ALLOWED,
  ERR_DOWN: REPLY_NETWORK_UNREACHABLE,
  ERR_HOST_UNREACHABLE: REPLY_HOST_UNREACHABLE,
  ERR_INTERNAL: REPLY_FAILURE,
  ERR_LIMIT: REPLY_FAILURE,
  ERR_NAME: REPLY_HOST_UNREACHABLE,
  ERR_NET_UNREACHABLE: REPLY_NETWORK_UNREACHABLE,
  ERR_PROTOCOL: REPLY_FAILURE,
  ERR_REFUSED: REPLY_REFUSED,
  ERR_RESET: REPLY_FAILURE,
  ERR_RESOLVER: REPLY_FAILURE,
  ERR_TIMEOUT: REPLY_TTL_EXPIRED,
  ERR_UNSUPPORTED: REPLY_COMMAND_UNSUPPORTED,
} as const satisfies Record<ErrorCode, number>

export interface HttpReply {
  readonly status: number
  /** Proxy error type of RFC 9209 section 2.3. */
  readonly error: string
  /** What the reader can do, when the error itself does not say. */
  readonly hint: string
}

export const HTTP_REPLIES = {
  ERR_ABORTED: {
    status: 502,
    error: 'connection_terminated',
    hint: 'The attempt was given up. Try again.',
  },
  ERR_AUTH: {
    status: 407,
    error: 'http_request_denied',
    hint: 'Give the user and password of this proxy port.',
  },
  ERR_CONFIG: {
    status: 500,
    error: 'proxy_configuration_error',
    hint: 'Run "pvpn check": something in the configuration cannot be used.',
  },
  ERR_DENIED: {
    status: 403,
    error: 'http_request_denied',
    hint: 'The policy does not allow this. "pvpn explain TARGET" shows which rule decides.',
  },
  ERR_DOWN: {
    status: 503,
    error: 'destination_unavailable',
    hint: 'The environment is not connected. "pvpn status" says why.',
  },
  ERR_HOST_UNREACHABLE: {
    status: 502,
    error: 'destination_ip_unroutable',
    hint: 'Nobody has this address inside the environment, or its host is off.',
  },
  ERR_INTERNAL: {
    status: 500,
    error: 'proxy_internal_error',
    hint: 'This is a defect of pvpn: its log says more.',
  },
  ERR_LIMIT: {
    status: 503,
    error: 'connection_limit_reached',
    hint: 'Too much is open at once. Close something and try again.',
  },
  ERR_NAME: {
    status: 502,
    error: 'dns_error',
    hint: 'Names are looked up inside the environment: check the spelling, and that the name exists there.',
  },
  ERR_NET_UNREACHABLE: {
    status: 502,
    error: 'destination_ip_unroutable',
    hint: 'The environment has no route to this address: check that it belongs to this network.',
  },
  ERR_PROTOCOL: {
    status: 502,
    error: 'http_protocol_error',
    hint: 'The server sent something that is not HTTP.',
  },
  ERR_REFUSED: {
    status: 502,
    error: 'connection_refused',
    hint: 'The host is there, but nothing listens on this port.',
  },
  ERR_RESET: {
    status: 502,
    error: 'connection_terminated',
    hint: 'The server closed the connection without an answer. Try again.',
  },
  ERR_RESOLVER: {
    status: 504,
    error: 'dns_timeout',
    hint: 'The name servers inside the environment failed or did not answer. "pvpn status" shows which are asked.',
  },
  ERR_TIMEOUT: {
    status: 504,
    error: 'connection_timeout',
    hint: 'The host did not answer: it may be off, or a firewall drops the connection.',
  },
  ERR_UNSUPPORTED: {
    status: 501,
    error: 'proxy_configuration_error',
    hint: 'This proxy or the tunnel of this environment cannot do that.',
  },
} as const satisfies Record<ErrorCode, HttpReply>
