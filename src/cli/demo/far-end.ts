/** The far end of a WireGuard tunnel on a loopback port, with our stack behind it. */
import type { WireguardPeerOptions } from '../../core/options.js'
import { createPacketCipher } from '../../crypto/packet-cipher.js'
import { PacketDriver } from '../../environment/packet-driver.js'
import { systemClock } from '../../io/clock.js'
import { systemRandom } from '../../io/random.js'
import { openUdp } from '../../io/udp-socket.js'
import type { Stack } from '../../stack/contract.js'
import { createWireguard } from '../../tunnel/wireguard/tunnel.js'
import { systemStack } from '../compose-stack.js'

export interface FarEndOptions {
  readonly privateKey: Uint8Array
  /** Of the stack, with their prefix lengths. */
  readonly addresses: readonly string[]
  readonly peers: readonly Pick<WireguardPeerOptions, 'publicKey' | 'allowedIps'>[]
}

export interface FarEnd {
  /** Takes listeners and ports before anybody can come. */
  readonly stack: Stack
  /** Lets peers in: the UDP port on 127.0.0.1. */
  start(): number
}

export async function openFarEnd({ privateKey, addresses, peers }: FarEndOptions): Promise<FarEnd> {
  const tunnel = createWireguard(
    {
      type: 'wireguard',
      privateKey,
      addresses,
      dns: [],
      search: [],
      mtu: 1420,
      listenPort: 0,
      peers: peers.map((peer) => ({ ...peer, persistentKeepalive: 0 })),
    },
    { random: systemRandom, wallClock: Date.now, packetCipher: createPacketCipher },
  )
  const stack = systemStack()
  const socket = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 1536 })
  const driver = new PacketDriver({
    tunnel,
    stack,
    socket,
    clock: systemClock,
    soon: setImmediate,
    onEvent: () => undefined,
  })
  stack.configure(tunnel.link, systemClock.now())
  return {
    stack,
    start: () => {
      driver.start()
      return socket.localPort
    },
  }
}
