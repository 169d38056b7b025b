/**
 * The resolver machine among made-up servers, in virtual time. Servers' messages are read and written
 * with dns-packet, so that our own reading of them is held against another's.
 */
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import type { PvpnError } from '../../src/core/errors.js'
import { formatHostPort, parseHostPort } from '../../src/core/ip.js'
import type { Bytes, Endpoint, Millis } from '../../src/core/types.js'
import { ResolverMachine } from '../../src/dns/machine.js'
import type { LookupType } from '../../src/dns/query.js'
import type { ResolverConfig } from '../../src/dns/view.js'
import { seededRandom } from '../support/seeded.js'

export interface Asked {
  readonly at: Millis
  readonly server: string
  readonly transport: 'udp' | 'tcp'
  readonly attempt: number
  readonly bytes: Bytes
  readonly query: DecodedPacket
  readonly name: string
  readonly type: string
}

export interface Reply {
  /** Milliseconds later; default 10. */
  readonly after?: Millis
  readonly bytes?: Bytes
  /** Default the server itself. */
  readonly from?: Endpoint
  /** In place of bytes: what the network says. */
  readonly failed?: string
  readonly unsupported?: boolean
}

export type Server = (asked: Asked) => Reply | readonly Reply[] | undefined

export interface Outcome {
  readonly values: Partial<Record<LookupType, readonly string[]>>
  settledAt: Millis | undefined
  error: PvpnError | undefined
  reply: Bytes | undefined
}

export class DnsWorld {
  now: Millis = 1000
  readonly machine: ResolverMachine
  readonly asked: Asked[] = []
  readonly servers = new Map<string, Server>()
  readonly open = new Set<number>()
  readonly #outcomes = new Map<number, Outcome>()
  #events: { at: Millis; run: () => void }[] = []

  /** Servers by `address:port`; configuration defaults to all of them in order. */
  constructor(servers: Record<string, Server>, config: Partial<ResolverConfig> = {}) {
    this.machine = new ResolverMachine(seededRandom(7))
    for (const [address, server] of Object.entries(servers)) this.servers.set(address, server)
    this.configure({ servers: Object.keys(servers).map(endpoint), ...config })
  }

  configure(config: Partial<ResolverConfig>): void {
    this.machine.configure({ servers: [], search: [], zones: {}, hosts: {}, ...config })
  }

  start(name: string, types: readonly LookupType[] = ['A']): number {
    return this.#register(this.machine.lookup(name, types, this.now))
  }

  /** Looks a name up and runs until that is over. */
  lookup(name: string, types: readonly LookupType[] = ['A']): Outcome {
    return this.finish(this.start(name, types))
  }

  reverse(address: string): Outcome {
    return this.finish(this.#register(this.machine.reverse(address, this.now)))
  }

  startExchange(query: Bytes, transport: 'udp' | 'tcp' = 'udp'): number {
    return this.#register(this.machine.exchange(query, transport, this.now))
  }

  exchange(query: Bytes, transport: 'udp' | 'tcp' = 'udp'): Bytes {
    const { reply } = this.finish(this.startExchange(query, transport))
    if (reply === undefined) throw new Error('no reply')
    return reply
  }

  outcome(id: number): Outcome {
    const known = this.#outcomes.get(id)
    if (known !== undefined) return known
    const made = { values: {}, settledAt: undefined, error: undefined, reply: undefined }
    this.#outcomes.set(id, made)
    return made
  }

  /** Runs until the look-up or raw query is over. */
  finish(id: number): Outcome {
    const outcome = this.outcome(id)
    while (outcome.settledAt === undefined) {
      if (!this.#step()) throw new Error('nothing more happens')
    }
    return outcome
  }

  /** Lets time pass. */
  advance(by: Millis): void {
    const until = this.now + by
    this.drain()
    while (this.#next() <= until) this.#step()
    this.now = until
  }

  /** Names and types asked so far, as `server name type transport`. */
  log(): string[] {
    return this.asked.map((a) => `${a.server} ${a.name} ${a.type} ${a.transport}`)
  }

  drain(): void {
    for (let out = this.machine.poll(); out !== undefined; out = this.machine.poll()) {
      switch (out.kind) {
        case 'close':
          this.open.delete(out.attempt)
          break
        case 'values':
          Object.assign(this.outcome(out.lookup).values, { [out.type]: out.values })
          break
        case 'settled':
          Object.assign(this.outcome(out.lookup), { settledAt: this.now, error: out.error })
          break
        case 'reply':
          Object.assign(this.outcome(out.exchange), { settledAt: this.now, reply: out.bytes })
          break
        default:
          this.#send(out.kind, out.attempt, out.server, out.bytes)
      }
    }
  }

  #register(id: number): number {
    this.outcome(id)
    this.drain()
    return id
  }

  #next(): Millis {
    return Math.min(this.machine.deadline(), ...this.#events.map((event) => event.at))
  }

  #step(): boolean {
    const next = this.#next()
    if (next === Number.POSITIVE_INFINITY) return false
    this.now = Math.max(this.now, next)
    const due = this.#events.filter((event) => event.at <= this.now)
    this.#events = this.#events.filter((event) => event.at > this.now)
    for (const event of due) {
      event.run()
      this.drain()
    }
    if (this.machine.deadline() <= this.now) this.machine.tick(this.now)
    this.drain()
    return true
  }

  #send(transport: 'udp' | 'tcp', attempt: number, to: Endpoint, bytes: Bytes): void {
    const server = formatHostPort(to.address, to.port)
    this.open.add(attempt)
    const query = decodeLeniently(bytes)
    const { name = '', type = '' } = query.questions?.[0] ?? {}
    const asked = { at: this.now, server, transport, attempt, bytes, query, name, type }
    this.asked.push(asked)
    const answer = this.servers.get(server)?.(asked) ?? []
    for (const reply of Array.isArray(answer) ? answer : [answer]) {
      this.#events.push({
        at: this.now + (reply.after ?? 10),
        run: () => this.#arrive(asked, to, reply),
      })
    }
  }

  #arrive(asked: Asked, server: Endpoint, reply: Reply): void {
    const { machine, now } = this
    if (reply.unsupported) machine.udpUnsupported(asked.attempt, now)
    else if (reply.failed !== undefined) machine.failed(asked.attempt, reply.failed, now)
    else if (reply.bytes === undefined) return
    else if (asked.transport === 'tcp') machine.message(asked.attempt, reply.bytes, now)
    else machine.datagram(asked.attempt, reply.from ?? server, reply.bytes, now)
  }
}

/** Clients' raw queries may hold records that dns-packet can't read; then only the header counts. */
function decodeLeniently(bytes: Bytes): DecodedPacket {
  try {
    return decode(Buffer.from(bytes))
  } catch {
    const header = Buffer.alloc(12)
    header.set(bytes.subarray(0, 4))
    return decode(header)
  }
}

export function endpoint(text: string): Endpoint {
  const parsed = parseHostPort(text)
  if (parsed === undefined) throw new Error(`not an endpoint: ${text}`)
  return { address: parsed.host, port: parsed.port }
}

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }

export interface AnswerOptions extends Packet {
  readonly rcode?: keyof typeof RCODE
  readonly tc?: boolean
  /** Recursion available; default true. */
  readonly ra?: boolean
}

/** An answer to a query, with these records. */
export function answerTo(asked: Asked, options: AnswerOptions = {}): Bytes {
  const { rcode = 'NOERROR', tc = false, ra = true, ...packet } = options
  const flags = 0x0100 | (ra ? 0x80 : 0) | (tc ? 0x0200 : 0) | RCODE[rcode]
  return encode({
    type: 'response',
    id: asked.query.id ?? 0,
    flags,
    questions: asked.query.questions ?? [],
    ...packet,
  })
}

export function a(name: string, data: string, ttl = 300): Answer {
  return { type: 'A', name, data, ttl }
}
export function aaaa(name: string, data: string, ttl = 300): Answer {
  return { type: 'AAAA', name, data, ttl }
}
export function cname(name: string, data: string, ttl = 300): Answer {
  return { type: 'CNAME', name, data, ttl }
}
export function ptr(name: string, data: string, ttl = 300): Answer {
  return { type: 'PTR', name, data, ttl }
}
export function soa(name: string, ttl = 60, minimum = 60): Answer {
  return { type: 'SOA', name, ttl, data: { mname: `ns.${name}`, rname: `root.${name}`, minimum } }
}

/** A server that has these records, follows its own CNAMEs, and says NXDOMAIN with an SOA to the rest. */
export function zone(records: readonly Answer[], delay?: Millis): Server {
  return (asked) => {
    const answers: Answer[] = []
    let name = asked.name.toLowerCase()
    for (let i = 0; i < 20; i++) {
      const here = records.filter((r) => r.name === name)
      const exact = here.filter((r) => r.type === asked.type)
      const alias = here.find((r) => r.type === 'CNAME')
      answers.push(...exact)
      if (exact.length > 0 || alias === undefined) break
      answers.push(alias)
      name = String((alias as { data: unknown }).data)
    }
    const exists = records.some((r) => r.name === name || r.name.endsWith(`.${name}`))
    const found = answers.some((r) => r.type === asked.type)
    const after = delay === undefined ? {} : { after: delay }
    return {
      ...after,
      bytes: answerTo(asked, {
        rcode: exists ? 'NOERROR' : 'NXDOMAIN',
        answers,
        authorities: found ? [] : [soa(name.split('.').slice(-2).join('.'))],
      }),
    }
  }
}

export const silent: Server = () => undefined

export function failing(rcode: keyof typeof RCODE): Server {
  return (asked) => ({ bytes: answerTo(asked, { rcode }) })
}
