/** Names for programs that come by the preload library (native/preload/names.h): answered by the environment's resolver alone. */
import { domainToASCII } from 'node:url'
import { set16, u16 } from '../../core/bytes.js'
import type { Environment } from '../../core/environment.js'
import { PvpnError } from '../../core/errors.js'
import { formatIp, parseIp } from '../../core/ip.js'
import type { ManagedEnvironment } from '../../core/managed-environment.js'
import type { Bytes, Random } from '../../core/types.js'
import {
  CLASS_IN,
  type DnsMessage,
  FLAG_RD,
  parseMessage,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_NXDOMAIN,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  readName,
  TYPE_A,
  TYPE_AAAA,
} from '../../dns/message.js'
import { candidates, isLocalhost, parseName } from '../../dns/name.js'
import { MAX_FOUND, MAX_NAME_BYTES, MAX_NAMES } from './limits.js'
import { isLoopback, ownAddresses } from './places.js'
import {
  ADDRESS_SIZE,
  KIND,
  type Query,
  type Reply,
  readAddress,
  writeAddress,
} from './protocol.js'
import type { QueryPort } from './query-port.js'

const EXCHANGE = KIND.names
const QUESTION = KIND.names + 1
const LOOKUP = KIND.names + 2
const REVERSE = KIND.names + 3

const SEARCH = 1
const WANT = { four: 1, six: 2, own: 4, idna: 8 } as const

/** As h_errno says it. */
const STATUS = { notFound: 1, tryAgain: 2, noRecovery: 3, noData: 4 } as const
const LOCALHOST = ['127.0.0.1', '::1']

export interface NamesOptions {
  readonly environment: Pick<ManagedEnvironment, 'dns' | 'link'> &
    Pick<Environment, 'exchange' | 'reverse'>
  /** The environment's own names. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  readonly random: Random
  readonly port: QueryPort
}

/** What one name has: a status, or addresses and the name that has them. */
interface Found {
  readonly status: number
  readonly name: string
  readonly addresses: readonly string[]
}

/** Answers the questions of one environment's programs. */
export function answerNames(options: NamesOptions): void {
  new Names(options).serve()
}

class Names {
  readonly #o: NamesOptions
  readonly #hosts = new Map<string, readonly string[]>()

  constructor(options: NamesOptions) {
    this.#o = options
    for (const [name, addresses] of Object.entries(options.hosts)) {
      this.#hosts.set(name.toLowerCase(), addresses)
    }
  }

  serve(): void {
    const { port, environment } = this.#o
    port.answer(EXCHANGE, async ({ data }) => ({ data: await environment.exchange(data, 'tcp') }))
    port.answer(QUESTION, (query) => this.#question(query))
    port.answer(LOOKUP, (query) => this.#lookup(query))
    port.answer(REVERSE, (query) => this.#reverse(query))
  }

  async #question(query: Query): Promise<Reply> {
    const type = query.value & 0xffff
    const klass = query.value >>> 16
    const names = this.#names(textOf(query.data), (query.flags & SEARCH) !== 0)
    let status: number = STATUS.notFound
    for (const name of names) {
      const answer = await this.#ask(name, type, klass)
      const said = statusOf(answer)
      if (said === 0) return answer === undefined ? {} : { data: answer.bytes }
      status = worse(status, said)
    }
    return { value: status }
  }

  async #lookup(query: Query): Promise<Reply> {
    const written = textOf(query.data)
    const text = (query.value & WANT.idna) === 0 ? written : domainToASCII(utf8(query.data))
    const families = this.#families(query.value)
    const found = await this.#find(text, families)
    if (found.status !== 0) return { value: found.status }
    const addresses = this.#ordered(found.addresses).slice(0, MAX_FOUND)
    const name = Buffer.from(`${found.name.slice(0, MAX_NAME_BYTES - 1)}\0`, 'latin1')
    const data = new Uint8Array(name.length + addresses.length * ADDRESS_SIZE)
    data.set(name)
    addresses.forEach((address, i) => {
      writeAddress(data, name.length + i * ADDRESS_SIZE, { address, port: 0 })
    })
    return { data }
  }

  /** The names in their order until one has addresses: the configured hosts first, then as the search list says. */
  async #find(text: string, families: readonly number[]): Promise<Found> {
    const parsed = parseName(text)
    const own = parsed && (this.#hosts.get(parsed.name) ?? localhost(parsed.name))
    if (parsed !== undefined && own !== undefined) return of(parsed.name, own, families)
    let status: number = STATUS.notFound
    for (const name of this.#names(text, true)) {
      const known = this.#hosts.get(name)
      const found =
        known === undefined ? await this.#addresses(name, families) : of(name, known, families)
      if (found.status === 0) return found
      status = worse(status, found.status)
    }
    return { status, name: text, addresses: [] }
  }

  async #addresses(name: string, families: readonly number[]): Promise<Found> {
    const answers = await Promise.all(
      families.map((family) => this.#ask(name, family === 4 ? TYPE_A : TYPE_AAAA, CLASS_IN)),
    )
    const records = answers.flatMap((answer) => (answer === undefined ? [] : recordsOf(answer)))
    const [first] = records
    if (first !== undefined) {
      return { status: 0, name: first.name, addresses: records.map(({ address }) => address) }
    }
    const status = answers.map(statusOf).reduce(worse, STATUS.notFound)
    return { status: status === 0 ? STATUS.noData : status, name, addresses: [] }
  }

  async #reverse(query: Query): Promise<Reply> {
    const address = readAddress(query.data)?.address
    if (address === undefined) return { value: STATUS.noRecovery }
    const names = await this.#namesOf(address)
    if (typeof names === 'number') return { value: names }
    return { data: Buffer.from(names.slice(0, MAX_NAMES).map(terminated).join(''), 'latin1') }
  }

  async #namesOf(address: string): Promise<readonly string[] | number> {
    if (isLoopback(address)) return ['localhost']
    const own = [...this.#hosts].filter(([, all]) => all.some((one) => same(one, address)))
    if (own.length > 0) return own.map(([name]) => name)
    try {
      const names = await this.#o.environment.reverse(address)
      return names.length > 0 ? names : STATUS.notFound
    } catch (thrown) {
      const none = thrown instanceof PvpnError && thrown.code === 'ERR_NAME'
      return none ? STATUS.notFound : STATUS.tryAgain
    }
  }

  #names(text: string, search: boolean): readonly string[] {
    const parsed = parseName(text)
    if (parsed === undefined) return []
    return candidates(parsed.name, parsed.absolute, search ? this.#o.environment.dns.search : [])
  }

  /** Undefined: no answer that can be read. */
  async #ask(name: string, type: number, klass: number): Promise<DnsMessage | undefined> {
    const id = new Uint8Array(2)
    this.#o.random(id)
    const query = questionOf(name, type, klass, u16(id, 0))
    try {
      return parseMessage(await this.#o.environment.exchange(query, 'tcp'))
    } catch {
      return undefined
    }
  }

  #families(want: number): readonly number[] {
    const asked = [4, 6].filter((family) => (want & (family === 4 ? WANT.four : WANT.six)) !== 0)
    if ((want & WANT.own) === 0) return asked
    const own = ownAddresses(this.#o.environment)
    const served = asked.filter((family) => own.some((one) => one.includes(':') === (family === 6)))
    return served.length > 0 ? served : asked
  }

  /**
   * IPv6 first where the environment has an address of the same kind, local or global, to come from
   * (RFC 6724 rules 5 and 6); else IPv4 first.
   */
  #ordered(addresses: readonly string[]): readonly string[] {
    const own = ownAddresses(this.#o.environment).filter((one) => one.includes(':'))
    const rank = (address: string) => {
      if (!address.includes(':')) return 1
      return address === '::1' || own.some((one) => isLocal(one) === isLocal(address)) ? 0 : 2
    }
    return addresses.toSorted((a, b) => rank(a) - rank(b))
  }
}

/** A unique local address (RFC 4193). */
function isLocal(address: string): boolean {
  return /^f[cd]/i.test(address)
}

function same(a: string, b: string): boolean {
  const bytes = parseIp(a)
  return bytes !== undefined && formatIp(bytes) === b
}

function localhost(name: string): readonly string[] | undefined {
  return isLocalhost(name) ? LOCALHOST : undefined
}

function of(name: string, all: readonly string[], families: readonly number[]): Found {
  const addresses = all.filter((one) => families.includes(one.includes(':') ? 6 : 4))
  return { status: addresses.length > 0 ? 0 : STATUS.noData, name, addresses }
}

/** That which may pass outweighs "no data", and that "no such name". */
function worse(a: number, b: number): number {
  const order = [STATUS.notFound, 0, STATUS.noData, STATUS.noRecovery, STATUS.tryAgain]
  return order.indexOf(b) > order.indexOf(a) ? b : a
}

function statusOf(answer: DnsMessage | undefined): number {
  if (answer === undefined) return STATUS.tryAgain
  switch (answer.rcode) {
    case RCODE_NOERROR:
      return answer.records.some(({ section }) => section === 'answer') ? 0 : STATUS.noData
    case RCODE_NXDOMAIN:
      return STATUS.notFound
    case RCODE_SERVFAIL:
    case RCODE_REFUSED:
    case RCODE_NOTIMP:
      // Another server, or this one later, may know.
      return STATUS.tryAgain
    default:
      return STATUS.noRecovery
  }
}

function recordsOf(message: DnsMessage): readonly { name: string; address: string }[] {
  const { bytes } = message
  return message.records
    .filter(
      ({ section, type, klass }) =>
        section === 'answer' && klass === CLASS_IN && (type === TYPE_A || type === TYPE_AAAA),
    )
    .map(({ at, dataAt, dataLength }) => ({
      name: readName(bytes, at) ?? '',
      address: formatIp(bytes.slice(dataAt, dataAt + dataLength)),
    }))
}

function questionOf(name: string, type: number, klass: number, id: number): Bytes {
  const labels = name.split('.')
  const head = Buffer.alloc(12)
  set16(head, 0, id)
  set16(head, 2, FLAG_RD)
  set16(head, 4, 1)
  const tail = Buffer.alloc(5)
  set16(tail, 1, type)
  set16(tail, 3, klass)
  const parts = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]),
  )
  return Buffer.concat([head, ...parts, tail])
}

function textOf(data: Bytes): string {
  return Buffer.from(data).toString('latin1')
}

function utf8(data: Bytes): string {
  return Buffer.from(data).toString('utf8')
}

function terminated(name: string): string {
  return `${name.slice(0, MAX_NAME_BYTES - 1)}\0`
}
