/** The data channel: ciphers, framing, key changes, and what is not ours. */
import fc from 'fast-check'
import t from 'tap'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import { socketAddress } from '../../../src/core/socket-address.js'
import type { CompressionStub } from '../../../src/tunnel/openvpn/compression-stub.js'
import { Counters } from '../../../src/tunnel/openvpn/counters.js'
import { DataChannel } from '../../../src/tunnel/openvpn/data-channel.js'
import {
  createDataCipher,
  type DataCipherName,
  dataCipherName,
} from '../../../src/tunnel/openvpn/data-cipher.js'
import { dataKeys, prfMaterial } from '../../../src/tunnel/openvpn/key-material.js'
import { SWITCH_DELAY, TRANSITION_WINDOW } from '../../../src/tunnel/openvpn/timing.js'
import { fuzzRun } from '../../support/fuzz.js'

const TO = socketAddress(Uint8Array.of(203, 0, 113, 2), 1194)
const CIPHERS = [
  'AES-128-GCM',
  'AES-192-GCM',
  'AES-256-GCM',
  'CHACHA20-POLY1305',
  'AES-128-CBC',
  'AES-192-CBC',
  'AES-256-CBC',
] as const
const random = (out: Uint8Array) => out.fill(7)

function material(seed: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, i) => (i * seed + (i >> 3) + seed) & 0xff)
}

/** The server's side of the same material. */
function turned(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(128), ...bytes.subarray(0, 128)])
}

function packet(size: number, fill = 0x5a): Uint8Array {
  const bytes = new Uint8Array(size).fill(fill)
  bytes.set([0x45, 0, size >> 8, size & 0xff])
  return bytes
}

interface KeyOptions {
  readonly name?: DataCipherName
  readonly digest?: 'sha1' | 'sha256' | 'sha512'
  readonly keyId?: number
  readonly peerId?: number | undefined
  readonly stub?: CompressionStub
  readonly seed?: number
}

class Pair {
  readonly client = new DataChannel(new Counters())
  readonly server = new DataChannel(new Counters())
  readonly serverCounters = new Counters()

  constructor() {
    this.server = new DataChannel(this.serverCounters)
  }

  key(options: KeyOptions = {}, now = 0): void {
    const { name = 'AES-256-GCM', digest = 'sha1', keyId = 0, stub = 'none', seed = 3 } = options
    const peerId = 'peerId' in options ? options.peerId : 5
    for (const [channel, bytes] of [
      [this.client, material(seed)],
      [this.server, turned(material(seed))],
    ] as const) {
      const cipher = createDataCipher({ name, digest, keys: dataKeys(bytes), random })
      channel.install({ keyId, cipher, peerId, stub }, now)
    }
  }
}

function sealed(from: DataChannel, bytes: Uint8Array, now = 0): Uint8Array {
  const batch = new PacketBatch({ capacity: 1, packetSize: 1600 })
  batch.push(bytes)
  from.transmit(batch, 0, 1, TO, now)
  return Uint8Array.from(batch.view(0))
}

/** As a socket hands it up: neighbours close by, no headroom. */
function opened(to: DataChannel, datagram: Uint8Array, now = 0): Uint8Array {
  const batch = new PacketBatch({ capacity: 1, packetSize: 1600, memory: datagram.length + 8 })
  batch.bytes.fill(0xee)
  batch.bytes.set(datagram, 4)
  batch.offset[0] = 4
  batch.length[0] = datagram.length
  batch.count = 1
  to.receive(batch, 0, 1, now)
  const around = [...batch.bytes.subarray(0, 4), ...batch.bytes.subarray(-4)]
  if (around.some((byte) => byte !== 0xee)) throw new Error('a neighbour was changed')
  return Uint8Array.from(batch.view(0))
}

for (const name of CIPHERS) {
  for (const digest of name.endsWith('CBC')
    ? (['sha1', 'sha256', 'sha512'] as const)
    : (['sha1'] as const)) {
    for (const peerId of [undefined, 5]) {
      t.test(`${name} ${digest} ${peerId === undefined ? 'DATA_V1' : 'DATA_V2'}`, (t) => {
        const pair = new Pair()
        pair.key({ name, digest, peerId })
        for (const size of [20, 21, 100, 1439, 1500]) {
          const datagram = sealed(pair.client, packet(size))
          t.ok(datagram.length <= size + pair.client.overhead, `${size}: within the overhead`)
          t.same(opened(pair.server, datagram), packet(size), `${size} up`)
          t.same(opened(pair.client, sealed(pair.server, packet(size))), packet(size))
          t.equal(opened(pair.server, datagram).length, 0, 'again')
        }
        t.equal(pair.serverCounters.drops.replay, 5)
        const datagram = sealed(pair.client, packet(40))
        const header = peerId === undefined ? 1 : 4
        const from = name.endsWith('CBC') ? header : peerId === undefined ? 1 : 0
        for (let i = Math.max(1, from); i < datagram.length; i++) {
          const changed = Uint8Array.from(datagram)
          changed[i] = (changed[i] as number) ^ 1
          t.equal(opened(pair.server, changed).length, 0, `byte ${i} changed`)
        }
        for (let cut = 0; cut < datagram.length; cut++) {
          t.equal(opened(pair.server, datagram.subarray(0, cut)).length, 0)
        }
        t.same(opened(pair.server, datagram), packet(40))
        t.end()
      })
    }
  }
}

t.test('framing without compression', (t) => {
  for (const name of CIPHERS) {
    for (const stub of ['lzo', 'swap', 'v2'] as const) {
      const pair = new Pair()
      pair.key({ name, stub, digest: 'sha512' })
      t.same(
        opened(pair.server, sealed(pair.client, packet(1500))),
        packet(1500),
        `${name} ${stub}`,
      )
    }
  }
  const mixed = new Pair()
  mixed.key()
  const other = new Pair()
  other.key({ stub: 'lzo' })
  t.equal(opened(other.server, sealed(mixed.client, packet(60))).length, 0)
  t.equal(other.serverCounters.drops.compressed, 1)
  t.end()
})

t.test('pings and farewells are no packets; other things are dropped', (t) => {
  const pair = new Pair()
  pair.key()
  const batch = new PacketBatch({ capacity: 3, packetSize: 100 })
  pair.client.ping(batch, TO, 5)
  pair.client.farewell(batch, TO, 5)
  t.equal(batch.count, 2)
  t.equal(opened(pair.server, batch.view(0), 9).length, 0)
  t.equal(pair.server.lastReceived, 9)
  t.notOk(pair.server.peerLeft)
  t.equal(opened(pair.server, batch.view(1)).length, 0)
  t.ok(pair.server.peerLeft)
  t.equal(pair.serverCounters.drops.packet, 0)
  t.equal(opened(pair.server, sealed(pair.client, packet(10))).length, 0)
  const tooLong = packet(60)
  tooLong[3] = 61
  t.equal(opened(pair.server, sealed(pair.client, tooLong)).length, 0)
  t.equal(pair.serverCounters.drops.packet, 2)
  t.end()
})

t.test('a key change: both decrypt, the new one encrypts once the peer has used it', (t) => {
  const pair = new Pair()
  pair.key({ keyId: 0, seed: 3 })
  const late = sealed(pair.server, packet(50, 1))
  pair.key({ keyId: 1, seed: 5 }, 1000)
  const old = sealed(pair.client, packet(50, 2), 1000)
  t.equal((old[0] as number) & 7, 0, 'still the old key')
  t.same(opened(pair.server, old, 1000), packet(50, 2))
  t.same(opened(pair.client, late, 1100), packet(50, 1))
  t.equal(pair.client.deadline(), 1000 + SWITCH_DELAY)
  pair.server.tick(1000 + SWITCH_DELAY)
  const next = sealed(pair.server, packet(50, 3), 6000)
  t.equal((next[0] as number) & 7, 1, 'the server goes over by itself')
  t.same(opened(pair.client, next, 6000), packet(50, 3))
  t.equal((sealed(pair.client, packet(50), 6001)[0] as number) & 7, 1, 'and the client follows')
  t.same(opened(pair.server, sealed(pair.client, packet(50)), 6001), packet(50))
  pair.client.tick(1000 + TRANSITION_WINDOW)
  t.equal(opened(pair.client, late, 1000 + TRANSITION_WINDOW).length, 0, 'the old key has expired')
  t.end()
})

t.test('any datagram is survived', (t) => {
  const pair = new Pair()
  pair.key()
  pair.key({ keyId: 1, name: 'AES-256-CBC' })
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      for (const first of [0x30, 0x31, 0x48, 0x49, 0x4f]) {
        bytes[0] = first
        t.equal(opened(pair.server, bytes).length, 0)
      }
    }),
    { ...(fuzzRun as fc.Parameters<[Uint8Array]>), numRuns: 500 },
  )
  t.end()
})

t.test('names', (t) => {
  t.equal(dataCipherName('aes-256-gcm'), 'AES-256-GCM')
  t.equal(dataCipherName('BF-CBC'), undefined)
  t.equal(dataCipherName('constructor'), undefined)
  t.end()
})

t.test('key method 2: the PRF has a known answer', (t) => {
  const fill = (value: number, size: number) => new Uint8Array(size).fill(value)
  const bytes = prfMaterial({
    client: { preMaster: fill(1, 48), random1: fill(2, 32), random2: fill(3, 32) },
    server: { random1: fill(4, 32), random2: fill(5, 32) },
    clientSessionId: fill(6, 8),
    serverSessionId: fill(7, 8),
  })
  t.equal(bytes.length, 256)
  t.equal(
    Buffer.from(bytes).toString('hex').slice(0, 64),
    'df52f010932d0764260f7117f367cf5db8be673c44d375c93cf4f84586955473',
  )
  t.end()
})
