/** One demo site, in a process of its own: WireGuard responder, stack, DNS server and web page, reachable on a loopback UDP port. */
import { createPacketCipher } from '../../crypto/packet-cipher.js'
import { PacketDriver } from '../../environment/packet-driver.js'
import { systemClock } from '../../io/clock.js'
import { systemRandom } from '../../io/random.js'
import { openUdp } from '../../io/udp-socket.js'
import { createStack } from '../../stack/stack.js'
import { createWireguard } from '../../tunnel/wireguard/tunnel.js'
import { CLIENT_ALLOWED_IPS, SITE_ADDRESSES, type SitePlan, siteZone } from './plan.js'
import { serveDns } from './site-dns.js'
import { serveWeb } from './site-web.js'

export type FromSite = { readonly kind: 'ready'; readonly port: number }

async function serve(plan: SitePlan): Promise<void> {
  const tunnel = createWireguard(
    {
      type: 'wireguard',
      privateKey: plan.privateKey,
      addresses: SITE_ADDRESSES,
      dns: [],
      search: [],
      mtu: 1420,
      listenPort: 0,
      peers: [
        {
          publicKey: plan.clientPublicKey,
          allowedIps: CLIENT_ALLOWED_IPS,
          persistentKeepalive: 0,
        },
      ],
    },
    { random: systemRandom, wallClock: Date.now, packetCipher: createPacketCipher },
  )
  const stack = createStack({ random: systemRandom })
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
  serveDns(stack, siteZone(plan.name))
  serveWeb(stack, {
    site: plan.name,
    host: `www.${plan.name}.example`,
    proxy: plan.proxy,
    other: plan.other,
  })
  driver.start()
  process.send?.({ kind: 'ready', port: socket.localPort } satisfies FromSite)
}

process.once('message', (plan: SitePlan) => {
  serve(plan).catch((thrown: unknown) => {
    process.stderr.write(`demo site: ${String(thrown)}\n`)
    process.exit(1)
  })
})
process.once('disconnect', () => process.exit(0))
// Ctrl-C goes to the whole process group; the demo's own process ends us in order.
process.on('SIGINT', () => undefined)
