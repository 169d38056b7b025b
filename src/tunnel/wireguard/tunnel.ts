/**
 * WireGuard (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel"), initiator and
 * responder, as a machine without I/O. Where it departs from the paper: docs/decisions/0030.
 */
import { PvpnError } from '../../core/errors.js'
import type { WireguardOptions } from '../../core/options.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import type { PacketCipherFactory } from '../../core/packet-cipher.js'
import type { PacketTunnel, TunnelCounters, TunnelEvent } from '../../core/tunnel.js'
import type { LinkInfo, Millis, Random } from '../../core/types.js'
import { AllowedIps } from './allowed-ips.js'
import { Counters } from './counters.js'
import { DataPath } from './data-path.js'
import { identity } from './handshake.js'
import { HandshakeIntake } from './handshake-intake.js'
import { Health } from './health.js'
import { IndexTable } from './index-table.js'
import { Outgoing } from './outgoing.js'
import { type Interface, Peer } from './peer.js'
import { TimestampSource } from './tai64n.js'
import { REKEY_TIMEOUT } from './timing.js'

export interface WireguardDependencies {
  readonly random: Random
  /** Milliseconds since 1970: peers refuse handshakes that are not later than the last one they saw. */
  readonly wallClock: () => number
  readonly packetCipher: PacketCipherFactory
}

/** The options must have been validated: 32-byte keys, prefixes that parse. */
export function createWireguard(
  options: WireguardOptions,
  dependencies: WireguardDependencies,
): PacketTunnel {
  return new WireguardTunnel(options, dependencies)
}

class WireguardTunnel implements PacketTunnel {
  readonly link: LinkInfo
  readonly #counters = new Counters()
  readonly #outgoing = new Outgoing(this.#counters)
  readonly #allowedIps = new AllowedIps()
  readonly #health: Health
  readonly #peers: readonly Peer[]
  readonly #dataPath: DataPath
  /** Peers whose endpoint's addresses were asked for, by the question's id. */
  readonly #resolving = new Map<number, Peer>()
  #lastResolveId = 0
  #open = false
  /** When to say that nobody has called, for an interface that can't call itself. */
  #lonelyAt: Millis = Number.POSITIVE_INFINITY

  constructor(
    options: WireguardOptions,
    { random, wallClock, packetCipher }: WireguardDependencies,
  ) {
    const { addresses, dns, search, mtu } = options
    this.link = { addresses, dns, search, mtu }
    this.#health = new Health(this.link)
    const timestamps = new TimestampSource()
    const shared: Interface = {
      identity: identity(options.privateKey),
      random,
      packetCipher,
      indices: new IndexTable(random),
      outgoing: this.#outgoing,
      health: this.#health,
      counters: this.#counters,
      nextTimestamp: () => timestamps.next(wallClock()),
      resolve: (peer) => this.#resolve(peer),
    }
    const peers = options.peers.map((peer) => new Peer(peer, shared))
    for (const [number, peer] of peers.entries()) {
      for (const prefix of peer.allowedIps) this.#allowedIps.insert(prefix, number)
    }
    this.#peers = peers
    this.#dataPath = new DataPath({
      peers,
      allowedIps: this.#allowedIps,
      indices: shared.indices,
      intake: new HandshakeIntake(shared, peers),
      counters: this.#counters,
      mtu,
    })
  }

  open(now: Millis): void {
    this.#open = true
    for (const peer of this.#peers) peer.open(now)
    if (this.#peers.every((peer) => peer.endpoint.configured === undefined)) {
      this.#lonelyAt = now + REKEY_TIMEOUT
    }
  }

  close(_now: Millis): void {
    this.#open = false
    this.#lonelyAt = Number.POSITIVE_INFINITY
    for (const peer of this.#peers) peer.close()
    this.#resolving.clear()
    this.#outgoing.clear()
    this.#health.reset()
  }

  receive(batch: PacketBatch, now: Millis): void {
    if (this.#open) this.#dataPath.receive(batch, now)
    else batch.length.fill(0, 0, batch.count)
  }

  transmit(batch: PacketBatch, now: Millis): void {
    if (this.#open) this.#dataPath.transmit(batch, now)
    else batch.length.fill(0, 0, batch.count)
  }

  poll(batch: PacketBatch, now: Millis): void {
    this.#outgoing.poll(batch)
    this.#dataPath.poll(batch, now)
  }

  deadline(): Millis {
    let first = this.#lonelyAt
    for (const peer of this.#peers) {
      const { deadline } = peer.timers
      if (deadline < first) first = deadline
    }
    return first
  }

  tick(now: Millis): void {
    for (const peer of this.#peers) if (peer.timers.deadline <= now) peer.tick(now)
    if (this.#lonelyAt > now) return
    this.#lonelyAt = Number.POSITIVE_INFINITY
    this.#health.trying(
      new PvpnError('ERR_DOWN', 'no peer has an endpoint, and none has called yet', {
        hint: 'wait for a peer, or give one an endpoint',
      }),
    )
  }

  takeEvent(): TunnelEvent | undefined {
    return this.#health.take()
  }

  resolved(id: number, addresses: readonly Uint8Array[], now: Millis): void {
    const peer = this.#resolving.get(id)
    this.#resolving.delete(id)
    peer?.resolved(addresses, now)
  }

  routes(address: Uint8Array): boolean {
    return this.#allowedIps.lookup(address.length === 4 ? 4 : 6, address, 0) >= 0
  }

  get counters(): TunnelCounters {
    return this.#counters
  }

  get lastHandshake(): Millis | undefined {
    let last: Millis | undefined
    for (const { lastHandshake } of this.#peers) {
      if (lastHandshake !== undefined && !(last !== undefined && last > lastHandshake)) {
        last = lastHandshake
      }
    }
    return last
  }

  get endpoint(): string | undefined {
    for (const { endpoint } of this.#peers) if (endpoint.text !== undefined) return endpoint.text
    return undefined
  }

  #resolve(peer: Peer): void {
    const target = peer.endpoint.configured
    if (target === undefined) return
    // A new question replaces one that was never answered.
    for (const [id, other] of this.#resolving) if (other === peer) this.#resolving.delete(id)
    const id = ++this.#lastResolveId
    this.#resolving.set(id, peer)
    this.#health.report({ kind: 'resolve', host: target.host, port: target.port, id })
  }
}
