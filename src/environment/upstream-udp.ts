/** UDP ASSOCIATE at an upstream SOCKS server (RFC 1928 section 7) as a port. */
import { PvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { ByteStream, DatagramPort } from '../core/stream.js'
import type { Underlay } from '../core/stream-tunnel.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { encodeSocks5Datagram, parseSocks5Datagram } from '../wire/socks5.js'
import type { Handshaken } from './handshake-stream.js'

export class UpstreamUdpPort implements DatagramPort {
  onMessage: (from: Endpoint, bytes: Bytes) => void = () => {}
  onError: (to: Endpoint, error: PvpnError) => void = () => {}
  readonly local: Endpoint
  readonly #control: ByteStream
  readonly #below: DatagramPort
  readonly #relay: Endpoint
  #open = true

  /** `opened`: the association's connection; it ends with this port, and this port with it. */
  static async open(opened: Handshaken, underlay: Underlay): Promise<UpstreamUdpPort> {
    const { stream, bound } = opened
    const ip = bound === undefined ? undefined : parseIp(bound.host)
    // A server that does not know its own address says 0.0.0.0: it is where it was reached.
    const told = ip?.some((byte) => byte !== 0) === true
    const address = told && ip !== undefined ? formatIp(ip) : stream.remote.address
    const relay = { address, port: bound?.port ?? 0 }
    if (relay.port === 0 || parseIp(address) === undefined) {
      stream.abort()
      throw new PvpnError('ERR_PROTOCOL', 'the SOCKS server tells no address for UDP')
    }
    try {
      const below = await underlay.bindUdp({ family: address.includes(':') ? 6 : 4 })
      return new UpstreamUdpPort(stream, below, relay)
    } catch (thrown) {
      stream.abort()
      throw thrown
    }
  }

  private constructor(control: ByteStream, below: DatagramPort, relay: Endpoint) {
    this.#control = control
    this.#below = below
    this.#relay = relay
    this.local = below.local
    control.onClose = () => this.close()
    control.onReadable = () => {
      // Nothing is said here any more: what comes is thrown away, and an end is the association's.
      while (control.read() !== undefined);
      if (control.ended) this.close()
    }
    below.onMessage = (from, bytes) => this.#received(from, bytes)
    below.onError = (_to, error) => this.onError(relay, error)
  }

  send(to: Endpoint, bytes: Bytes): boolean {
    return this.#open && this.#below.send(this.#relay, encodeSocks5Datagram(to, bytes))
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#below.close()
    this.#control.abort()
  }

  #received(from: Endpoint, bytes: Bytes): void {
    if (from.port !== this.#relay.port || from.address !== this.#relay.address) return
    const datagram = parseSocks5Datagram(bytes)
    // Fragments are for nobody to put together (RFC 1928 section 7 allows to drop them).
    if (datagram === undefined || datagram.fragment !== 0) return
    const { host, port } = datagram.target
    if (parseIp(host) === undefined) return
    this.onMessage({ address: host, port }, bytes.subarray(datagram.payloadAt))
  }
}
