/**
 * Firefox and its kin: profile of a browser that knows one way only, the environment's proxy.
 * docs/browser.md says what each preference is for.
 */
import type { BrowserPlan, BrowserWish } from './contract.js'

/** Options that would take the profile away. */
export const FIREFOX_REFUSED = [
  '--profile',
  '-profile',
  '-P',
  '--ProfileManager',
  '-ProfileManager',
]

type Preferences = Readonly<Record<string, string | number | boolean>>

export function planFirefox(wish: BrowserWish): BrowserPlan {
  const { environment, profile, startPage, options, urls } = wish
  const open = urls.length === 0 ? [startPage] : urls
  return {
    args: [
      '--profile',
      profile,
      '--name',
      `pvpn-${environment}`,
      '--class',
      `pvpn-${environment}`,
      ...options,
      ...open.flatMap((url, i) => [i === 0 ? '--new-window' : '--new-tab', url]),
    ],
    files: [
      { path: 'user.js', content: userJs({ ...QUIET, ...CLOSED, ...proxyOf(wish) }) },
      { path: 'chrome/userChrome.css', content: userChrome(wish) },
    ],
  }
}

/** Everything by the proxy: pages, the browser's own requests, 127.0.0.1; nothing else when it fails. */
function proxyOf({ proxy, hostPorts, startPage }: BrowserWish): Preferences {
  const { host, port } = proxy
  const past = hostPorts.flatMap((one) => [`127.0.0.1:${one}`, `localhost:${one}`])
  return {
    'network.proxy.type': 1,
    'network.proxy.http': host,
    'network.proxy.http_port': port,
    'network.proxy.ssl': host,
    'network.proxy.ssl_port': port,
    // For what is neither; and a SOCKS proxy that resolves keeps Firefox from ever asking a resolver.
    'network.proxy.socks': host,
    'network.proxy.socks_port': port,
    'network.proxy.socks_version': 5,
    'network.proxy.socks_remote_dns': true,
    'network.proxy.socks5_remote_dns': true,
    'network.proxy.autoconfig_url': '',
    'network.proxy.no_proxies_on': past.join(', '),
    'network.proxy.allow_hijacking_localhost': true,
    'network.proxy.allow_bypass': false,
    'network.proxy.failover_direct': false,
    'browser.startup.homepage': startPage,
  }
}

/** What goes around a proxy, or asks a resolver. */
const CLOSED: Preferences = {
  // Off: a page could have any name below `.local` asked for by multicast, and nothing else stops that.
  'media.peerconnection.enabled': false,
  'media.peerconnection.ice.proxy_only': true,
  'media.peerconnection.ice.no_host': true,
  'media.peerconnection.ice.default_address_only': true,
  'network.http.http3.enable': false,
  'network.trr.mode': 5,
  'network.dns.disablePrefetch': true,
  'network.dns.disablePrefetchFromHTTPS': true,
  'network.dns.native_https_query': false,
  'network.prefetch-next': false,
  'network.predictor.enabled': false,
  'network.predictor.enable-prefetch': false,
  'network.http.speculative-parallel-limit': 0,
  'browser.urlbar.speculativeConnect.enabled': false,
  'browser.places.speculativeConnect.enabled': false,
  'network.gio.supported-protocols': '',
  'network.file.disable_unc_paths': true,
  'geo.provider.use_geoclue': false,
}

/** What the browser asks its maker for by itself, and what it shows a newcomer. */
const QUIET: Preferences = {
  'app.normandy.enabled': false,
  'app.shield.optoutstudies.enabled': false,
  'app.update.auto': false,
  'app.update.enabled': false,
  'browser.aboutConfig.showWarning': false,
  'browser.aboutwelcome.enabled': false,
  'browser.discovery.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.newtabpage.activity-stream.feeds.section.topstories': false,
  'browser.newtabpage.activity-stream.feeds.topsites': false,
  'browser.newtabpage.activity-stream.showSponsored': false,
  'browser.newtabpage.activity-stream.showSponsoredTopSites': false,
  'browser.preonboarding.enabled': false,
  'browser.region.network.url': '',
  'browser.region.update.enabled': false,
  'browser.safebrowsing.blockedURIs.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.search.suggest.enabled': false,
  'browser.search.update': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 1,
  'browser.tabs.inTitlebar': 1,
  'browser.topsites.contile.enabled': false,
  'browser.urlbar.suggest.quicksuggest.sponsored': false,
  'captivedetect.canonicalURL': '',
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.usage.uploadEnabled': false,
  'dom.push.connection.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'extensions.update.enabled': false,
  'identity.fxaccounts.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'startup.homepage_welcome_url': '',
  'toolkit.legacyUserProfileCustomizations.stylesheets': true,
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.unified': false,
  'trailhead.firstrun.didSeeAboutWelcome': true,
}

function userJs(preferences: Preferences): string {
  const lines = Object.entries(preferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  )
  return `// Written by pvpn at each start.\n${lines.join('\n')}\n`
}

/** The environment's colour behind tabs and buttons, and its name before the address. */
function userChrome({ environment, color }: BrowserWish): string {
  return `/* Written by pvpn at each start. */
:root {
  --toolbox-textcolor: #fff !important;
  --toolbar-color: #fff !important;
  --lwt-toolbarbutton-icon-fill: #fff !important;
  --toolbarbutton-icon-fill: #fff !important;
  --tab-selected-bgcolor: rgb(255 255 255 / 25%) !important;
  --tab-selected-textcolor: #fff !important;
  --toolbar-bgcolor: transparent !important;
  --toolbar-background-color: transparent !important;
}
#navigator-toolbox, #navigator-toolbox:-moz-window-inactive {
  background: ${color} !important;
  color: #fff !important;
}
#nav-bar, #TabsToolbar { background: transparent !important; color: #fff !important }
#identity-box .identity-box-button, #identity-box > *, #trust-icon-container, #trust-icon-container * {
  background: transparent !important;
  color: #fff !important;
}
#nav-bar::before {
  content: "${environment}";
  order: -1;
  align-self: center;
  margin-inline: 10px 4px;
  font-weight: 600;
}
`
}
