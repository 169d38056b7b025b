/** The DNS server of a demo site: a few fixed names, forward and reverse, over UDP and TCP of the site's own stack. */
import {
  type Answer,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  streamEncode,
} from 'dns-packet'
import { formatIp, parseIp } from '../../core/ip.js'
import type { ByteStream } from '../../core/stream.js'
import type { Bytes } from '../../core/types.js'
import type { Stack } from '../../stack/contract.js'

const TTL = 60
const AUTHORITATIVE = 1 << 10
const RECURSION_AVAILABLE = 1 << 7
const NXDOMAIN = 3
const NOTIMP = 4
/** Bytes of one TCP query that are kept; longer ones close the connection. */
const MOST_QUERY = 4096

/** Name to its addresses, both families. */
export type Zone = Readonly<Record<string, readonly string[]>>

/** Serves the zone on port 53 of the stack. */
export function serveDns(stack: Stack, zone: Zone): void {
  for (const family of [4, 6] as const) {
    const port = stack.bindUdp({ port: 53, family })
    port.onMessage = (from, bytes, local) => {
      const answer = respond(bytes, zone)
      if (answer !== undefined) port.send(from, encode(answer), local)
    }
    stack.listenTcp({ port: 53, family }).onConnection = (stream) => serveStream(stream, zone)
  }
}

function serveStream(stream: ByteStream, zone: Zone): void {
  let kept = Buffer.alloc(0)
  stream.onReadable = () => {
    const bytes = stream.read()
    if (bytes !== undefined) kept = Buffer.concat([kept, bytes])
    while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
      const length = kept.readUInt16BE(0)
      const answer = respond(kept.subarray(2, 2 + length), zone)
      kept = kept.subarray(2 + length)
      if (answer !== undefined) stream.write(streamEncode(answer))
    }
    if (kept.length > MOST_QUERY) stream.abort()
    else if (stream.ended) stream.end()
  }
  stream.onReadable()
}

function respond(bytes: Bytes, zone: Zone): Packet | undefined {
  let query: Packet
  try {
    query = decode(Buffer.from(bytes))
  } catch {
    return undefined
  }
  const question = query.questions?.[0]
  if (query.type !== 'query' || question === undefined) return undefined
  const name = question.name.toLowerCase()
  const { answers, known } = answer(name, question.type, zone)
  const code = !known
    ? NXDOMAIN
    : question.class !== undefined && question.class !== 'IN'
      ? NOTIMP
      : 0
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: AUTHORITATIVE | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | code,
    questions: [question],
    answers,
  }
}

function answer(name: string, type: string, zone: Zone): { answers: Answer[]; known: boolean } {
  if (name.endsWith('.arpa')) {
    const names = Object.keys(zone).filter((n) => zone[n]?.some((a) => reverseName(a) === name))
    const answers: Answer[] = names.map((data) => ({ name, type: 'PTR', ttl: TTL, data }))
    return { answers: type === 'PTR' ? answers : [], known: names.length > 0 }
  }
  const addresses = zone[name]
  if (addresses === undefined) return { answers: [], known: false }
  const answers: Answer[] = addresses
    .filter((a) => (type === 'AAAA') === a.includes(':') && (type === 'A' || type === 'AAAA'))
    .map((data) => ({ name, type: type as 'A' | 'AAAA', ttl: TTL, data }))
  return { answers, known: true }
}

/** `10.11.168.192.in-addr.arpa` or the ip6.arpa form of an address. */
function reverseName(address: string): string {
  const ip = parseIp(address)
  if (ip === undefined) return ''
  if (ip.length === 4) return `${formatIp(ip).split('.').reverse().join('.')}.in-addr.arpa`
  const nibbles = Array.from(ip, (b) => b.toString(16).padStart(2, '0')).join('')
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`
}
