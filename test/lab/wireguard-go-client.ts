/**
 * A program for a namespace: one WireGuard machine on a real socket that pings through the tunnel and
 * answers pings, with ICMP made by hand. Options as JSON in its argument, commands as lines on
 * standard input, answers and events as lines of JSON on standard output.
 */
import { createInterface } from 'node:readline'
import { set8, set16, set32, u8, u16, u32 } from '../../src/core/bytes.js'
import { parseIp } from '../../src/core/ip.js'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import type { Bytes } from '../../src/core/types.js'
import { createPacketCipher } from '../../src/crypto/packet-cipher.js'
import { generateKeyPair } from '../../src/crypto/x25519.js'
import { systemClock } from '../../src/io/clock.js'
import { systemRandom } from '../../src/io/random.js'
import { openUdp } from '../../src/io/udp-socket.js'
import { createInitiation, identity } from '../../src/tunnel/wireguard/handshake.js'
import { MacWriter } from '../../src/tunnel/wireguard/macs.js'
import { createWireguard } from '../../src/tunnel/wireguard/tunnel.js'
import { checksum } from '../../src/wire/checksum.js'
import { writeIpv4 } from '../../src/wire/ipv4.js'

export interface ClientOptions {
  readonly privateKey: string
  readonly publicKey: string
  readonly presharedKey?: string
  readonly endpoint?: { readonly host: string; readonly port: number }
  readonly allowedIps: readonly string[]
  readonly listenPort: number
  readonly from: string
  readonly to: string
}

const o = JSON.parse(process.argv[2] ?? '{}') as ClientOptions
const key = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'))
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

const source = parseIp(o.from) ?? new Uint8Array(4)
const destination = parseIp(o.to) ?? new Uint8Array(4)
const socket = await openUdp({ family: 'dual', port: o.listenPort, packetSize: 2048 })
const tunnel = createWireguard(
  {
    type: 'wireguard',
    privateKey: key(o.privateKey),
    addresses: [`${o.from}/24`],
    dns: [],
    search: [],
    mtu: 1420,
    listenPort: o.listenPort,
    peers: [
      {
        publicKey: key(o.publicKey),
        allowedIps: o.allowedIps,
        persistentKeepalive: 0,
        ...(o.presharedKey === undefined ? {} : { presharedKey: key(o.presharedKey) }),
        ...(o.endpoint === undefined ? {} : { endpoint: o.endpoint }),
      },
    ],
  },
  { random: systemRandom, wallClock: Date.now, packetCipher: createPacketCipher },
)

const out = new PacketBatch({ capacity: 64, packetSize: 1500 })
const echoes: Bytes[] = []
const answered = new Set<number>()
/** Datagrams by type of message, both ways. */
const seen = { in: [0, 0, 0, 0, 0], out: [0, 0, 0, 0, 0] }
let cancel: (() => void) | undefined

function count(list: number[], batch: PacketBatch): void {
  for (let i = 0; i < batch.count; i++) {
    if ((batch.length[i] as number) === 0) continue
    const type = u8(batch.bytes, batch.offset[i] as number)
    list[type] = (list[type] ?? 0) + 1
  }
}

function send(): void {
  count(seen.out, out)
  for (let from = 0; from < out.count; ) {
    const taken = socket.send(out, from)
    // A full buffer of the kernel loses the rest, as a link would.
    if (taken === from) break
    from = taken
  }
}

function pump(): void {
  const now = systemClock.now()
  if (tunnel.deadline() <= now) tunnel.tick(now)
  for (let event = tunnel.takeEvent(); event !== undefined; event = tunnel.takeEvent()) {
    say({ event: event.kind, message: 'error' in event ? event.error.message : undefined })
  }
  while (echoes.length > 0) {
    out.reset()
    while (echoes.length > 0 && !out.full) out.push(echoes.shift() as Bytes)
    tunnel.transmit(out, now)
    send()
  }
  for (;;) {
    out.reset()
    tunnel.poll(out, now)
    if (out.count === 0) break
    send()
  }
  cancel?.()
  const deadline = tunnel.deadline()
  cancel = deadline === Number.POSITIVE_INFINITY ? undefined : systemClock.at(deadline, pump)
}

/** Echo requests (type 8) and replies (0) of RFC 792. */
function icmp(type: number, to: Bytes, sequence: number, body: Bytes): Bytes {
  const length = 28 + body.length
  const bytes = new Uint8Array(length)
  writeIpv4(bytes, 0, source, to, 1, length, sequence & 0xffff, 0)
  set8(bytes, 20, type)
  set16(bytes, 24, sequence >>> 16)
  set16(bytes, 26, sequence & 0xffff)
  bytes.set(body, 28)
  set16(bytes, 22, checksum(bytes, 20, length - 20))
  return bytes
}

function reply(packet: Bytes): void {
  const again = icmp(0, packet.slice(12, 16), 0, packet.slice(28))
  set32(again, 24, u32(packet, 24))
  set16(again, 22, 0)
  set16(again, 22, checksum(again, 20, again.length - 20))
  echoes.push(again)
}

socket.onBatch = (batch) => {
  count(seen.in, batch)
  tunnel.receive(batch, systemClock.now())
  for (let i = 0; i < batch.count; i++) {
    if ((batch.length[i] as number) < 28) continue
    const packet = batch.view(i)
    if (checksum(packet, 20, packet.length - 20) !== 0) continue
    if (u8(packet, 20) === 8) reply(packet.slice())
    else if (u8(packet, 20) === 0) answered.add(u16(packet, 24) * 65536 + u16(packet, 26))
  }
  pump()
}

/** `count` echo requests, one every `interval` ms, and a second for the last answers. */
async function ping(count: number, interval: number, size: number): Promise<void> {
  answered.clear()
  const start = systemClock.now()
  for (let sent = 1; sent <= count; sent++) {
    const wait = start + (sent - 1) * interval - systemClock.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    echoes.push(icmp(8, destination, sent, new Uint8Array(size).fill(sent)))
    pump()
  }
  const end = systemClock.now() + 3000
  while (answered.size < count && systemClock.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  say({ sent: count, answered: answered.size })
}

/** The same initiation of a stranger, with a good mac1, again and again: load. */
async function flood(perSecond: number, seconds: number, to: ClientOptions['endpoint']) {
  const remote = {
    publicKey: key(o.publicKey),
    presharedKey: new Uint8Array(32),
    staticSecret: new Uint8Array(32),
  }
  const stranger = identity(generateKeyPair(systemRandom).privateKey)
  const made = createInitiation(stranger, remote, 1, new Uint8Array(12), systemRandom)
  const address = to && parseSocketAddress({ address: to.host, port: to.port })
  if (made === undefined || address === undefined) return
  new MacWriter(remote.publicKey).write(made.message, 0)
  const other = await openUdp({ family: 'dual', packetSize: 2048 })
  const batch = new PacketBatch({ capacity: 64, packetSize: 200 })
  for (let tick = 0; tick < seconds * 50; tick++) {
    for (let n = perSecond / 50; n > 0; n -= batch.count) {
      batch.reset()
      while (batch.count < Math.min(64, n)) {
        batch.address.set(address, batch.count * ADDRESS_SIZE)
        batch.push(made.message)
      }
      other.send(batch, 0)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  other.close()
  say({ flooded: true })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, ...args] = line.split(' ')
    const [a = 0, b = 0, c = 0] = args.map(Number)
    if (command === 'open') {
      tunnel.open(systemClock.now())
      pump()
    } else if (command === 'ping') void ping(a, b, c)
    else if (command === 'flood') void flood(a, b, o.endpoint)
    else if (command === 'status') {
      say({ endpoint: tunnel.endpoint, counters: tunnel.counters, seen })
    }
  })
  .on('close', () => process.exit(0))
say({ ready: true })
