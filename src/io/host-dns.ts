/** The host's resolver: names and addresses as its programs see them, and raw questions to its servers. */
import { createSocket } from 'node:dgram'
import { promises as dns, getServers } from 'node:dns'
import { connect } from 'node:net'
import { set16, u16 } from '../core/bytes.js'
import { PvpnError } from '../core/errors.js'
import { parseHostPort, parseIp } from '../core/ip.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { HOST_DNS_TIMEOUT } from './limits.js'
import { fromSystemError } from './system-error.js'

/** Addresses by the host's resolver (hosts file included), in its order. ERR_NAME, ERR_RESOLVER. */
export async function lookupHost(name: string, family: 4 | 6 | undefined): Promise<string[]> {
  try {
    const found = await dns.lookup(name, { all: true, verbatim: true, family: family ?? 0 })
    return found.map((entry) => entry.address)
  } catch (error) {
    throw fromSystemError(error, name)
  }
}

/** Names of an address. ERR_NAME when there is none. */
export async function reverseHost(address: string): Promise<string[]> {
  if (parseIp(address) === undefined) {
    throw new PvpnError('ERR_NAME', `${address}: not an address`)
  }
  try {
    const names = await dns.reverse(address)
    if (names.length > 0) return names
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOTFOUND' && code !== 'ENODATA') {
      throw new PvpnError('ERR_RESOLVER', `${address}: the host's resolver failed`, {
        cause: error,
      })
    }
  }
  throw new PvpnError('ERR_NAME', `${address}: has no name`)
}

/** The servers of the host's resolver. */
export function hostDnsServers(): Endpoint[] {
  return getServers().map((text) => {
    const withPort = parseHostPort(text)
    return withPort === undefined
      ? { address: text, port: 53 }
      : { address: withPort.host, port: withPort.port }
  })
}

/**
 * One raw message to the first of the host's servers that answers. Undefined: none did.
 * `accept` says whether what came is the answer (others are waited past).
 */
export async function exchangeHost(
  query: Bytes,
  transport: 'udp' | 'tcp',
  accept: (answer: Bytes) => boolean,
  signal?: AbortSignal,
): Promise<Bytes | undefined> {
  const ask = transport === 'udp' ? askUdp : askTcp
  for (const server of hostDnsServers()) {
    if (signal?.aborted === true) return undefined
    const answer = await ask(server, query, accept)
    if (answer !== undefined) return answer
  }
  return undefined
}

type Ask = (
  server: Endpoint,
  query: Bytes,
  accept: (answer: Bytes) => boolean,
) => Promise<Bytes | undefined>

const askUdp: Ask = (server, query, accept) =>
  new Promise((resolve) => {
    // A socket and so a port of its own for each question, connected: only its server is heard.
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4')
    const done = (answer?: Bytes) => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(done, HOST_DNS_TIMEOUT)
    socket.on('error', () => done())
    socket.on('message', (bytes) => {
      if (accept(bytes)) done(bytes)
    })
    // Node calls back for a failure too (an IPv6 server and no route to it); to send then would throw.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (error === undefined || error === null) socket.send(query)
      else done()
    })
  })

const askTcp: Ask = (server, query, accept) =>
  new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port })
    const done = (answer?: Bytes) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(done, HOST_DNS_TIMEOUT)
    socket.on('error', () => done())
    socket.on('close', () => done())
    let received: Bytes = new Uint8Array(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + u16(received, 0)) return
      const answer = received.slice(2, 2 + u16(received, 0))
      done(accept(answer) ? answer : undefined)
    })
    const framed = new Uint8Array(2 + query.length)
    set16(framed, 0, query.length)
    framed.set(query, 2)
    socket.write(framed)
  })
