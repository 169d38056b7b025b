/** An OpenVPN server of the test's own, just good enough to talk to the machine, and free to be hostile. */
import { set16 } from '../../../src/core/bytes.js'
import type { OpenvpnProtection } from '../../../src/core/options.js'
import { ADDRESS_SIZE, PacketBatch } from '../../../src/core/packet-batch.js'
import { AuthWrap } from '../../../src/tunnel/openvpn/control-auth.js'
import { CryptWrap } from '../../../src/tunnel/openvpn/control-crypt.js'
import { decodeBody, encodeBody } from '../../../src/tunnel/openvpn/control-packet.js'
import {
  type ControlWrap,
  LongPacketIds,
  PlainWrap,
} from '../../../src/tunnel/openvpn/control-wrap.js'
import { Counters } from '../../../src/tunnel/openvpn/counters.js'
import { DataChannel } from '../../../src/tunnel/openvpn/data-channel.js'
import { createDataCipher, dataCipherName } from '../../../src/tunnel/openvpn/data-cipher.js'
import {
  DATA_KEYS_LABEL,
  DYNAMIC_TLS_CRYPT_LABEL,
  dataKeys,
  prfMaterial,
} from '../../../src/tunnel/openvpn/key-material.js'
import {
  firstByte,
  isData,
  keyIdOf,
  nextKeyId,
  opcodeOf,
  P_ACK_V1,
  P_CONTROL_HARD_RESET_CLIENT_V2,
  P_CONTROL_HARD_RESET_CLIENT_V3,
  P_CONTROL_HARD_RESET_SERVER_V2,
  P_CONTROL_SOFT_RESET_V1,
  P_CONTROL_V1,
} from '../../../src/tunnel/openvpn/opcode.js'
import { ReliableReceiver, ReliableSender } from '../../../src/tunnel/openvpn/reliable.js'
import { exported, ToyTls } from './toy-tls.js'

const SESSION = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)
const EMPTY = new Uint8Array(0)

export interface ServerBehaviour {
  readonly protection?: OpenvpnProtection
  /** Options of PUSH_REPLY; undefined: it never pushes. */
  push?: string | undefined
  /** Control messages instead of the push. */
  messages?: readonly string[]
  readonly cipher?: string
  readonly exporter?: boolean
  /** Wraps later negotiations with an exported key. */
  readonly dynamic?: boolean
  /** Bytes of its key message instead of a good one. */
  readonly keyMessage?: Uint8Array
}

interface Key {
  readonly sender: ReliableSender
  readonly receiver: ReliableReceiver
  readonly records: Uint8Array[]
  tls: ToyTls | undefined
  plaintext: number[]
  keyed: boolean
}

export class ToyServer {
  readonly behaviour: ServerBehaviour
  readonly counters = new Counters()
  readonly data = new DataChannel(this.counters)
  readonly #later: (run: () => void) => void
  readonly #wrap: ControlWrap
  readonly #laterWrap: ControlWrap | undefined
  readonly keys = new Map<number, Key>()
  /** What the client said in its last key message. */
  said = ''
  client: Uint8Array | undefined
  /** IP packets that came out of the tunnel. */
  readonly packets: Uint8Array[] = []
  pushRequests = 0
  /** Other messages of the client. */
  readonly heard: string[] = []
  currentKey = 0

  constructor(behaviour: ServerBehaviour, later: (run: () => void) => void) {
    this.behaviour = behaviour
    this.#later = later
    this.#wrap = serverWrap(behaviour.protection ?? { kind: 'none' })
    this.#laterWrap = behaviour.dynamic === true ? laterWrap(behaviour.protection) : undefined
  }

  receive(datagram: Uint8Array, now: number): void {
    const opcode = opcodeOf(datagram[0] as number)
    const keyId = keyIdOf(datagram[0] as number)
    if (isData(opcode)) {
      const batch = new PacketBatch({ capacity: 1, packetSize: 1700 })
      batch.push(datagram)
      this.data.receive(batch, 0, 1, now)
      if ((batch.length[0] as number) > 0) this.packets.push(Uint8Array.from(batch.view(0)))
      return
    }
    const { protection } = this.behaviour
    const v3 = opcode === P_CONTROL_HARD_RESET_CLIENT_V3
    const own =
      v3 && protection?.kind === 'tls-crypt-v2'
        ? datagram.subarray(0, -protection.wrapped.length)
        : datagram
    const wrap = keyId === 0 ? this.#wrap : (this.#laterWrap ?? this.#wrap)
    const unwrapped = wrap.unwrap(own)
    if (typeof unwrapped === 'string') return
    const body = decodeBody(opcode, unwrapped)
    if (body === undefined) return
    if (v3 || opcode === P_CONTROL_HARD_RESET_CLIENT_V2) {
      const from = datagram.slice(1, 9)
      if (this.client === undefined || !from.every((byte, i) => byte === this.client?.[i])) {
        // A new session: the old one is forgotten.
        this.client = from
        this.keys.clear()
        this.data.clear()
        this.currentKey = 0
      }
      if (!this.keys.has(0)) this.#newKey(0, P_CONTROL_HARD_RESET_SERVER_V2, now)
    }
    if (opcode === P_CONTROL_SOFT_RESET_V1 && !this.keys.has(keyId)) this.renegotiate(now)
    const key = this.keys.get(keyId)
    if (key === undefined) return
    for (const ack of body.acks) key.sender.acknowledged(ack, now)
    if (body.messageId === undefined) return
    key.receiver.accept(body.messageId, opcode, body.payload)
    for (let m = key.receiver.take(); m !== undefined; m = key.receiver.take()) {
      if (m.opcode !== P_CONTROL_V1) continue
      key.tls ??= this.#newTls(keyId, key)
      key.tls.input(m.payload)
    }
  }

  renegotiate(now: number): void {
    this.currentKey = nextKeyId(this.currentKey)
    this.#newKey(this.currentKey, P_CONTROL_SOFT_RESET_V1, now)
  }

  say(text: string): void {
    this.keys.get(this.currentKey)?.tls?.write(new TextEncoder().encode(`${text}\0`))
  }

  /** Raw bytes as if of TLS. */
  sendRecords(bytes: Uint8Array): void {
    this.keys.get(this.currentKey)?.records.push(bytes)
  }

  /** What is to be sent. */
  poll(now: number): Uint8Array[] {
    const out: Uint8Array[] = []
    for (const [keyId, key] of this.keys) {
      for (;;) {
        const next = key.records[0]
        if (next !== undefined && key.sender.open) {
          key.sender.push(P_CONTROL_V1, next.subarray(0, 1000), now)
          if (next.length > 1000) key.records[0] = next.subarray(1000)
          else key.records.shift()
        }
        const message = key.sender.take(now)
        if (message === undefined && !key.receiver.owesAcks) break
        const opcode = message?.opcode ?? P_ACK_V1
        const body = encodeBody({
          acks: key.receiver.takeAcks(4),
          peerSessionId: this.client,
          messageId: message?.id,
          payload: message?.payload ?? EMPTY,
        })
        const wrap = keyId === 0 ? this.#wrap : (this.#laterWrap ?? this.#wrap)
        out.push(wrap.wrap(Uint8Array.of(firstByte(opcode, keyId), ...SESSION), body))
      }
    }
    return out
  }

  deadline(): number {
    let first = Number.POSITIVE_INFINITY
    for (const key of this.keys.values()) {
      const waits = key.receiver.owesAcks || (key.records.length > 0 && key.sender.open)
      first = Math.min(first, waits ? 0 : key.sender.deadline())
    }
    return first
  }

  /** An IP packet down. */
  sealed(packet: Uint8Array, now: number): Uint8Array {
    const batch = new PacketBatch({ capacity: 1, packetSize: 1700 })
    batch.push(packet)
    this.data.transmit(batch, 0, 1, new Uint8Array(ADDRESS_SIZE), now)
    return Uint8Array.from(batch.view(0))
  }

  #newKey(keyId: number, opening: number, now: number): void {
    const sender = new ReliableSender()
    sender.push(opening, EMPTY, now)
    this.keys.set(keyId, {
      sender,
      receiver: new ReliableReceiver(),
      records: [],
      tls: undefined,
      plaintext: [],
      keyed: false,
    })
  }

  #newTls(keyId: number, key: Key): ToyTls {
    return new ToyTls(
      {
        onOutput: (bytes) => key.records.push(bytes),
        onSecure: () => undefined,
        onPlaintext: (bytes) => {
          key.plaintext.push(...bytes)
          this.#plaintext(keyId, key)
        },
        onError: () => undefined,
      },
      this.#later,
      false,
    )
  }

  #plaintext(keyId: number, key: Key): void {
    if (key.keyed) {
      const text = new TextDecoder().decode(Uint8Array.from(key.plaintext))
      key.plaintext = []
      if (/PUSH_REQUEST/.test(text)) {
        this.pushRequests++
        this.#push()
      } else this.heard.push(text)
      return
    }
    key.keyed = true
    const bytes = Uint8Array.from(key.plaintext)
    key.plaintext = []
    this.said = new TextDecoder('latin1').decode(bytes.subarray(5 + 112))
    key.tls?.write(this.behaviour.keyMessage ?? keyMessage())
    this.#install(keyId, bytes)
    const late = keyId === 0 && this.behaviour.messages === undefined
    if (late && /IV_PROTO=\d+/.test(this.said)) this.#push()
    for (const message of this.behaviour.messages ?? []) this.say(message)
  }

  #push(): void {
    if (this.behaviour.push !== undefined) this.say(`PUSH_REPLY,${this.behaviour.push}`)
  }

  #install(keyId: number, message: Uint8Array): void {
    const { cipher = 'AES-256-GCM', exporter = true } = this.behaviour
    const material = exporter
      ? exported(256, DATA_KEYS_LABEL)
      : prfMaterial({
          client: {
            preMaster: message.subarray(5, 53),
            random1: message.subarray(53, 85),
            random2: message.subarray(85, 117),
          },
          server: { random1: new Uint8Array(32).fill(3), random2: new Uint8Array(32).fill(4) },
          clientSessionId: this.client as Uint8Array,
          serverSessionId: SESSION,
        })
    const turned = Uint8Array.from([...material.subarray(128), ...material.subarray(0, 128)])
    const name = dataCipherName(cipher)
    if (name === undefined) return
    const made = createDataCipher({
      name,
      digest: 'sha1',
      keys: dataKeys(turned),
      random: (out) => out.fill(9),
    })
    this.data.install({ keyId, cipher: made, peerId: 0, stub: 'none' }, 0)
  }
}

function keyMessage(): Uint8Array {
  const options = new TextEncoder().encode('V4,dev-type tun,cipher AES-256-GCM,tls-server\0')
  const out = new Uint8Array(5 + 64 + 2 + options.length + 4)
  out[4] = 2
  out.fill(3, 5, 37)
  out.fill(4, 37, 69)
  set16(out, 69, options.length)
  out.set(options, 71)
  return out
}

function serverWrap(protection: OpenvpnProtection): ControlWrap {
  if (protection.kind === 'none') return new PlainWrap()
  const ids = new LongPacketIds(1_700_000_000)
  if (protection.kind === 'tls-auth') {
    const direction =
      protection.direction === undefined ? undefined : protection.direction === 1 ? 0 : 1
    return new AuthWrap({ key: protection.key, digest: protection.digest, direction, ids })
  }
  const { key } = protection
  return new CryptWrap(Uint8Array.from([...key.subarray(128), ...key.subarray(0, 128)]), ids)
}

function laterWrap(protection: OpenvpnProtection | undefined): ControlWrap {
  const key = exported(256, DYNAMIC_TLS_CRYPT_LABEL)
  if (protection !== undefined && protection.kind !== 'none') {
    for (const [i, byte] of protection.key.entries()) key[i] = (key[i] as number) ^ byte
  }
  const turned = Uint8Array.from([...key.subarray(128), ...key.subarray(0, 128)])
  return new CryptWrap(turned, new LongPacketIds(1_700_000_000))
}
