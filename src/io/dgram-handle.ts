/**
 * What node:dgram's own code uses below a socket, and nothing public gives: its descriptor, its sending
 * without an object and a callback for each datagram, and stopping its reading. Unchanged since Node 12, and held by
 * test/io/dgram-handle.test.ts; where a Node has something else, both functions say so, and node:dgram's
 * own way remains.
 */
import type { Socket } from 'node:dgram'
import type { Bytes } from '../core/types.js'

export interface SendRequest {
  oncomplete?: (status: number, sent: number) => void
  /** Keeps the memory alive while the system is still to take it. */
  list?: readonly Bytes[]
}

export interface DgramHandle {
  /** Negative once it is closed. */
  readonly fd: number
  /** Positive: sent, and the request is free again. 0: waits, `oncomplete` follows. Negative: lost, the system's error. */
  send(
    request: SendRequest,
    list: readonly Bytes[],
    count: number,
    port: number,
    address: string,
    callback: boolean,
  ): number
  recvStart(): number
  recvStop(): number
}

/** Of a bound socket. Undefined: this Node has none such. */
export function dgramHandle(socket: Socket): DgramHandle | undefined {
  // Node's `_handle` would do, but warns that it is deprecated.
  const state = Object.getOwnPropertySymbols(socket).find((s) => s.description === 'state symbol')
  if (state === undefined) return undefined
  const handle = (
    socket as unknown as Record<symbol, { handle?: Partial<DgramHandle> | null } | undefined>
  )[state]?.handle
  const known =
    typeof handle?.send === 'function' &&
    typeof handle.recvStart === 'function' &&
    typeof handle.recvStop === 'function' &&
    typeof handle.fd === 'number' &&
    handle.fd >= 0
  return known ? (handle as DgramHandle) : undefined
}

/**
 * The class of requests, which Node gives nobody: seen when node:dgram itself sends, which `send` must make it do
 * at once (a socket whose `lookup` answers within the call). Undefined: it was not used as is known here.
 */
export function requestClass(
  handle: DgramHandle,
  send: () => void,
): (new () => SendRequest) | undefined {
  const { send: own } = handle
  let seen: (new () => SendRequest) | undefined
  handle.send = (...args) => {
    const [request, list, count, port, address, callback] = args
    const known =
      args.length === 6 &&
      Array.isArray(list) &&
      list.length === count &&
      typeof port === 'number' &&
      typeof address === 'string' &&
      typeof callback === 'boolean'
    if (known) seen = request.constructor as new () => SendRequest
    return own.apply(handle, args)
  }
  try {
    send()
  } finally {
    handle.send = own
  }
  return seen
}
