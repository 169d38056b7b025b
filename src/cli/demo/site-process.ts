/** One demo site, in a process of its own: WireGuard responder, stack, DNS server and web page, reachable on a loopback UDP port. */
import { openFarEnd } from './far-end.js'
import { CLIENT_ALLOWED_IPS, SITE_ADDRESSES, type SitePlan, siteZone } from './plan.js'
import { serveDns } from './site-dns.js'
import { serveWeb } from './site-web.js'

export type FromSite = { readonly kind: 'ready'; readonly port: number }

async function serve(plan: SitePlan): Promise<void> {
  const { stack, start } = await openFarEnd({
    privateKey: plan.privateKey,
    addresses: SITE_ADDRESSES,
    peers: [{ publicKey: plan.clientPublicKey, allowedIps: CLIENT_ALLOWED_IPS }],
  })
  serveDns(stack, siteZone(plan.name))
  serveWeb(stack, {
    site: plan.name,
    host: `www.${plan.name}.example`,
    proxy: plan.proxy,
    other: plan.other,
  })
  process.send?.({ kind: 'ready', port: start() } satisfies FromSite)
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
