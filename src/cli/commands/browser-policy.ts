/** `pvpn browser-policy`: settings by which a browser follows the policy and asks nobody else. */
import { type Command, Option } from 'commander'
import { PvpnError } from '../../core/errors.js'
import { formatHostPort, parseHostPort } from '../../core/ip.js'
import type { GatewayOptions } from '../../core/options.js'
import { reachable } from '../../policy/pac.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { configuration } from '../policy-lookup.js'

const BROWSERS = ['chromium', 'firefox', 'foxyproxy'] as const
type Browser = (typeof BROWSERS)[number]

export function configure(command: Command, _context: CommandContext): void {
  command.argument('<browser>', BROWSERS.join(', '))
  command.addOption(new Option('--pac <url>', 'where the PAC file is (default: the control port)'))
  addConfigOption(command)
  addExamples(command, [
    [
      'pvpn browser-policy chromium | sudo tee /etc/chromium/policies/managed/pvpn.json',
      'every profile of Chromium',
    ],
    ['pvpn browser-policy firefox | sudo tee /etc/firefox/policies/policies.json', 'Firefox'],
    ['pvpn browser-policy foxyproxy > pvpn.json', 'for FoxyProxy: Options, Import'],
  ])
  command.action(async (browser: string, options: { pac?: string; config?: string }) => {
    if (!isBrowser(browser)) {
      throw new PvpnError('ERR_CONFIG', `${browser} is none of ${BROWSERS.join(', ')}`)
    }
    const gateway = await configuration(options.config)
    const pac = options.pac ?? pacUrl(gateway)
    process.stdout.write(`${JSON.stringify(settings(browser, pac, gateway), null, 2)}\n`)
  })
}

function isBrowser(text: string): text is Browser {
  return (BROWSERS as readonly string[]).includes(text)
}

function pacUrl({ control }: GatewayOptions): string {
  const at = reachable(control.listen === undefined ? [] : [control.listen])
  if (at !== undefined) return `http://${at}/proxy.pac`
  throw new PvpnError('ERR_CONFIG', 'the control port, which serves the PAC file, is off', {
    hint: 'set control.listen, or serve the output of `pvpn pac` yourself and name it with --pac',
  })
}

function settings(browser: Browser, pac: string, gateway: GatewayOptions): object {
  switch (browser) {
    case 'chromium':
      return chromium(pac)
    case 'firefox':
      return firefox(pac)
    case 'foxyproxy':
      return foxyProxy(pac, gateway)
    default:
      return browser satisfies never
  }
}

/** https://chromeenterprise.google/policies: nothing goes out but by the proxy that the file names. */
function chromium(pac: string): object {
  return {
    ProxySettings: { ProxyMode: 'pac_script', ProxyPacUrl: pac, ProxyPacMandatory: true },
    WebRtcIPHandling: 'disable_non_proxied_udp',
    QuicAllowed: false,
    DnsOverHttpsMode: 'off',
    DNSInterceptionChecksEnabled: false,
    NetworkPredictionOptions: 2,
  }
}

/** https://mozilla.github.io/policy-templates. */
function firefox(pac: string): object {
  const locked = (value: boolean | number) => ({ Value: value, Status: 'locked' })
  return {
    policies: {
      Proxy: { Mode: 'autoConfig', AutoConfigURL: pac, UseProxyForDNS: true, Locked: true },
      DNSOverHTTPS: { Enabled: false, Locked: true },
      NetworkPrediction: false,
      CaptivePortal: false,
      Preferences: {
        'media.peerconnection.ice.proxy_only': locked(true),
        'network.proxy.failover_direct': locked(false),
        'network.dns.disablePrefetch': locked(true),
        'network.http.http3.enable': locked(false),
      },
    },
  }
}

/** An import file of FoxyProxy 8 and later: the PAC file, and each environment to be chosen by hand. */
function foxyProxy(pac: string, { environments }: GatewayOptions): object {
  const entry = (more: object) => ({
    active: true,
    title: '',
    type: 'http',
    hostname: '',
    port: '',
    username: '',
    password: '',
    cc: '',
    city: '',
    color: '',
    pac: '',
    pacString: '',
    proxyDNS: true,
    include: [],
    exclude: [],
    tabProxy: [],
    ...more,
  })
  const { hostname, port } = new URL(pac)
  const manual = environments.flatMap(({ name, listen }, i) => {
    const at = parseHostPort(reachable(listen) ?? '')
    if (at === undefined) return []
    const color = COLORS[i % COLORS.length] ?? ''
    return [entry({ title: name, hostname: bare(at.host), port: String(at.port), color })]
  })
  return {
    mode: pac,
    sync: false,
    data: [entry({ title: 'pvpn', type: 'pac', pac, hostname, port, color: '#444444' }), ...manual],
  }
}

const COLORS = ['#0066cc', '#cc6600', '#008844', '#aa0077', '#887700', '#5544cc'] as const

function bare(host: string): string {
  return formatHostPort(host, 0).replace(/:0$/, '')
}
