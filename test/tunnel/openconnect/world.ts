/** The client's machine, a carrier made of nothing, and a server that is a function, in virtual time. */
import { PvpnError } from '../../../src/core/errors.js'
import type { OpenconnectOptions } from '../../../src/core/options.js'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type {
  SecureCarrier,
  SecureConnection,
  SecureHandlers,
  SecureTarget,
} from '../../../src/core/secure-carrier.js'
import { parseSocketAddress } from '../../../src/core/socket-address.js'
import type { PacketTunnel, TunnelEvent } from '../../../src/core/tunnel.js'
import {
  createOpenconnect,
  type OpenconnectDependencies,
} from '../../../src/tunnel/openconnect/tunnel.js'

export const OPTIONS: OpenconnectOptions = {
  type: 'openconnect',
  place: { host: 'vpn.example', port: 443, path: '/' },
  username: 'ann',
  password: 'right horse',
  form: {},
  tls: {},
  engine: 'native',
  protocol: 'anyconnect',
  dtls: false,
}

/** What came over one connection: the request's head and body. */
export interface Asked {
  readonly host: string
  readonly address: string
  readonly head: string
  readonly body: string
}

/** An answer as it goes over the wire; 'close': none, and the connection ends; undefined: silence. */
export type Answer = string | 'close' | undefined
export type Server = (asked: Asked, connection: FakeConnection) => Answer

export const xml = (type: string, inside: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<config-auth client="vpn" type="${type}">${inside}</config-auth>`

export function ok(body: string, ...fields: string[]): string {
  const lines = ['HTTP/1.1 200 OK', ...fields, `Content-Length: ${Buffer.byteLength(body)}`]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

export const form = (inside: string, message = 'Please enter.', action = '/auth') =>
  ok(
    xml(
      'auth-request',
      `<auth id="main"><message>${message}</message><form method="post" action="${action}">${inside}</form></auth>`,
    ),
  )
export const USERNAME = '<input type="text" name="username" label="Username:"/>'
export const PASSWORD = '<input type="password" name="password" label="Password:"/>'
export const complete = (cookie = 'c00kie') =>
  ok(
    xml('complete', '<auth id="success"><banner>Hi</banner></auth>'),
    `Set-Cookie: webvpn=${cookie}; Secure`,
  )
export const TUNNEL = [
  'HTTP/1.1 200 CONNECTED',
  'X-CSTP-Version: 1',
  'X-CSTP-Address: 192.168.9.52',
  'X-CSTP-Netmask: 255.255.255.0',
  'X-CSTP-DNS: 192.168.10.1',
  'X-CSTP-Default-Domain: site.example',
  'X-CSTP-Split-Include: 192.168.10.0/255.255.255.0',
  'X-CSTP-DPD: 30',
  'X-CSTP-MTU: 1406',
  '',
  '',
].join('\r\n')

/** As ocserv: the name, then the password, then the tunnel. */
export function plainServer(tunnel: () => Answer = () => TUNNEL): Server {
  return ({ head, body }) => {
    if (head.startsWith('CONNECT')) return tunnel()
    if (body.includes('type="init"')) return form(USERNAME)
    if (body.includes('<username>ann<')) return form(PASSWORD)
    if (body.includes('<password>right horse<')) return complete()
    return form(PASSWORD, 'Login failed.')
  }
}

export class FakeConnection implements SecureConnection {
  closed = false
  carries = false
  largest = 0
  readonly target: SecureTarget
  readonly handlers: SecureHandlers
  readonly #world: World
  #text = ''

  constructor(world: World, target: SecureTarget, handlers: SecureHandlers) {
    this.#world = world
    this.target = target
    this.handlers = handlers
  }

  get address(): string {
    return this.target.address.subarray(8, 12).join('.')
  }

  write(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString()
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#text.slice(0, end)
    const length = Number(/Content-Length: (\d+)/.exec(head)?.[1] ?? 0)
    const body = this.#text.slice(end + 4)
    if (Buffer.byteLength(body) < length) return
    this.#text = ''
    const asked = { host: this.target.host, address: this.address, head, body }
    this.#world.asked.push(asked)
    const answer = this.#world.server(asked, this)
    if (answer === 'close') this.end()
    else if (answer !== undefined) this.say(Buffer.from(answer, 'latin1'))
  }

  carry(bytes: Uint8Array, largest: number): void {
    this.carries = true
    this.largest = largest
    if (bytes.length > 0) this.#world.down(bytes)
  }

  close(): void {
    this.closed = true
  }

  say(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#world.cut) {
      const piece = Uint8Array.from(bytes.subarray(at, at + this.#world.cut))
      this.#later(() => this.handlers.onBytes(piece))
    }
  }

  end(error = new PvpnError('ERR_DOWN', 'closed by the server')): void {
    this.#later(() => {
      this.closed = true
      this.handlers.onClose(error)
    })
  }

  secure(): void {
    this.#later(() => this.handlers.onSecure())
  }

  #later(run: () => void): void {
    this.#world.later(() => {
      if (!this.closed) run()
    })
  }
}

export class World implements SecureCarrier {
  now = 1000
  server: Server
  /** Names of the world. */
  names: Record<string, readonly string[]> = { 'vpn.example': ['203.0.113.6'] }
  /** Does TLS come about there? An error: no. */
  reach: (target: SecureTarget, address: string) => PvpnError | 'silence' | undefined = () =>
    undefined
  /** Bytes per piece of an answer. */
  cut = Number.POSITIVE_INFINITY
  readonly tunnel: PacketTunnel
  readonly asked: Asked[] = []
  readonly connections: FakeConnection[] = []
  readonly events: TunnelEvent[] = []
  readonly out: Uint8Array[] = []
  readonly #queue: (() => void)[] = []

  constructor(
    options: Partial<OpenconnectOptions> = {},
    server: Server = plainServer(),
    unlock?: OpenconnectDependencies['unlock'],
  ) {
    this.server = server
    this.tunnel = createOpenconnect(
      { ...OPTIONS, ...options },
      { carrier: this, ...(unlock === undefined ? {} : { unlock }) },
    )
  }

  get state(): string {
    return this.events.at(-1)?.kind ?? 'starting'
  }

  get error(): PvpnError | undefined {
    const last = this.events.at(-1)
    return last !== undefined && 'error' in last ? last.error : undefined
  }

  open(target: SecureTarget, handlers: SecureHandlers): SecureConnection {
    const connection = new FakeConnection(this, target, handlers)
    this.connections.push(connection)
    const how = this.reach(target, connection.address)
    if (how === undefined) connection.secure()
    else if (how !== 'silence') connection.end(how)
    return connection
  }

  later(run: () => void): void {
    this.#queue.push(run)
  }

  start(): this {
    this.tunnel.open(this.now)
    return this
  }

  /** Lets time pass, event by event, until `done` or the time is over. The result: was it done? */
  run(time: number, done: () => boolean = () => false): boolean {
    const until = this.now + time
    for (let turns = 0; turns < 100_000; turns++) {
      this.#turn()
      if (done()) return true
      if (this.#queue.length > 0) continue
      const next = Math.max(this.now, this.tunnel.deadline())
      if (next > until) break
      this.now = next
    }
    this.now = until
    return done()
  }

  /** Frames of the server; the result: the IP packets in them. */
  down(bytes: Uint8Array): Uint8Array[] {
    const batch = new PacketBatch({ capacity: 64, packetSize: 2056 })
    batch.push(bytes)
    this.tunnel.receive(batch, this.now)
    this.#take()
    return batch.length[0] === 0 ? [] : [batch.view(0).slice()]
  }

  /** Sends an IP packet; the result: the frame, empty when it was dropped. */
  up(packet: Uint8Array): Uint8Array {
    const batch = new PacketBatch({ capacity: 4, packetSize: 2056 })
    batch.push(packet)
    this.tunnel.transmit(batch, this.now)
    return batch.length[0] === 0 ? new Uint8Array(0) : batch.view(0).slice()
  }

  #turn(): void {
    for (const run of this.#queue.splice(0)) run()
    if (this.tunnel.deadline() <= this.now) this.tunnel.tick(this.now)
    this.#take()
  }

  #take(): void {
    for (let e = this.tunnel.takeEvent(); e !== undefined; e = this.tunnel.takeEvent()) {
      if (e.kind !== 'resolve') {
        this.events.push(e)
        continue
      }
      const { host, port, id } = e
      const addresses = (this.names[host] ?? []).map((address) =>
        parseSocketAddress({ address, port }),
      )
      this.later(() =>
        this.tunnel.resolved(
          id,
          addresses.filter((a) => a !== undefined),
          this.now,
        ),
      )
    }
    const batch = new PacketBatch({ capacity: 64, packetSize: 2056 })
    this.tunnel.poll(batch, this.now)
    for (let i = 0; i < batch.count; i++) this.out.push(batch.view(i).slice())
  }
}

/** An IPv4 packet to this address. */
export function packetTo(address: string, size = 40): Uint8Array {
  const out = new Uint8Array(size)
  out[0] = 0x45
  out.set(address.split('.').map(Number), 16)
  return out
}
