/** What openconnect tells its script of the link, by vpnc-script's variables, as settings of ours. */
import { OC_ROUTES } from './limits.js'
import { parseSettings, type Settings } from './settings.js'

/** What can't be understood is left out; undefined: there is no address. */
export function engineSettings(variables: ReadonlyMap<string, string>): Settings | undefined {
  const fields: [string, string][] = []
  const give = (field: string, name: string) => {
    const value = variables.get(name)
    if (value !== undefined) fields.push([field, value])
  }
  give('x-cstp-address', 'INTERNAL_IP4_ADDRESS')
  give('x-cstp-netmask', 'INTERNAL_IP4_NETMASK')
  give('x-cstp-address-ip6', 'INTERNAL_IP6_ADDRESS')
  give('x-cstp-netmask-ip6', 'INTERNAL_IP6_NETMASK')
  give('x-cstp-mtu', 'INTERNAL_IP4_MTU')
  give('x-cstp-default-domain', 'CISCO_DEF_DOMAIN')
  give('x-cstp-banner', 'CISCO_BANNER')
  for (const name of ['INTERNAL_IP4_DNS', 'INTERNAL_IP6_DNS']) {
    for (const server of (variables.get(name) ?? '').split(/\s+/)) {
      fields.push(['x-cstp-dns', server])
    }
  }
  for (const [kind, field] of [
    ['INC', 'x-cstp-split-include'],
    ['EXC', 'x-cstp-split-exclude'],
  ] as const) {
    for (const family of ['CISCO_SPLIT', 'CISCO_IPV6_SPLIT']) {
      const stem = `${family}_${kind}`
      const said = variables.get(stem) ?? ''
      const count = /^\d{1,6}$/.test(said) ? Math.min(Number(said), OC_ROUTES) : 0
      for (let i = 0; i < count; i++) {
        const address = variables.get(`${stem}_${i}_ADDR`)
        const bits = variables.get(`${stem}_${i}_MASKLEN`)
        if (address !== undefined && bits !== undefined) fields.push([field, `${address}/${bits}`])
      }
    }
  }
  const settings = parseSettings(fields)
  return settings.address4 === undefined && settings.address6 === undefined ? undefined : settings
}
