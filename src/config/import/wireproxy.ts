/** wireproxy's own sections: proxy ports, forwards and what is published. */

import { parseIp } from '../../core/ip.js'
import type { ListenAddress } from '../../core/options.js'
import type { Target } from '../../core/types.js'
import { isLocal, parseListen, parseTarget } from '../address.js'
import type { Directive } from '../directive.js'
import type { IniEntry, IniSection } from '../ini.js'
import type { Report } from '../reader.js'

export interface WireproxyExtras {
  readonly listen: readonly ListenAddress[]
  readonly users: readonly { readonly name: string; readonly password: string }[]
  readonly forwards: readonly {
    readonly listen: ListenAddress
    readonly to: Target
    readonly protocol: 'tcp' | 'udp'
  }[]
  readonly publish: readonly { readonly port: number; readonly to: Target }[]
  readonly directives: readonly Directive[]
}

type Found = ReadonlyMap<string, IniEntry>

/** Mistakes go to `report`. */
export function readWireproxy(sections: readonly IniSection[], report: Report): WireproxyExtras {
  const listen: ListenAddress[] = []
  const users: { name: string; password: string }[] = []
  const forwards: WireproxyExtras['forwards'][number][] = []
  const publish: WireproxyExtras['publish'][number][] = []
  const directives: Directive[] = []
  for (const section of sections) {
    const found: Found = new Map(section.entries.map((entry) => [entry.key.toLowerCase(), entry]))
    const note = (entry: IniEntry, verdict: Directive['verdict'], reason?: string) => {
      const name = `[${section.name}] ${entry.key}`
      const because = reason === undefined ? {} : { reason }
      directives.push({ line: entry.place.line, name, verdict, ...because })
    }
    const take = <T>(key: string, parse: (entry: IniEntry) => T | undefined): T | undefined => {
      const entry = found.get(key)
      if (entry === undefined) report.problem(section.place, `${key} is missing`)
      return entry === undefined ? undefined : parse(entry)
    }
    const target = (entry: IniEntry) => parseTarget(entry.value, complainAt(entry, report))
    const address = (entry: IniEntry) => {
      // wireproxy, as Go does, takes `:1080` for every address.
      const text = entry.value.startsWith(':') ? `0.0.0.0${entry.value}` : entry.value
      return parseListen(text, '/', complainAt(entry, report))
    }
    const used = new Set<string>()
    switch (section.name.toLowerCase()) {
      case 'socks5':
      case 'http': {
        const at = take('bindaddress', address)
        if (at !== undefined) listen.push(at)
        const name = found.get('username')?.value
        const password = found.get('password')?.value
        if (name && password && !users.some((user) => user.name === name)) {
          users.push({ name, password })
        }
        for (const key of ['bindaddress', 'username', 'password']) used.add(key)
        break
      }
      case 'tcpclienttunnel':
      case 'udpproxytunnel': {
        const at = take('bindaddress', address)
        const to = take('target', target)
        const udp = section.name.toLowerCase() === 'udpproxytunnel'
        const protocol = udp ? 'udp' : 'tcp'
        if (at !== undefined && to !== undefined) forwards.push({ listen: at, to, protocol })
        for (const key of ['bindaddress', 'target']) used.add(key)
        break
      }
      case 'tcpservertunnel': {
        const port = take('listenport', (entry) => portOf(entry, report))
        const to = take('target', target)
        if (port !== undefined && to !== undefined) publish.push({ port, to })
        for (const key of ['listenport', 'target']) used.add(key)
        break
      }
      case 'stdiotunnel':
        for (const entry of section.entries) note(entry, 'ignored', 'use `pvpn nc` for this')
        continue
      default:
        for (const entry of section.entries) note(entry, 'ignored', "wireproxy's own")
        continue
    }
    for (const entry of section.entries) {
      if (used.has(entry.key.toLowerCase())) note(entry, 'honoured')
      else note(entry, 'ignored', "wireproxy's own")
    }
  }
  return { listen, users, forwards, publish, directives }
}

function complainAt(entry: IniEntry, report: Report) {
  return (message: string): undefined => {
    report.problem(entry.at, message)
    return undefined
  }
}

function portOf(entry: IniEntry, report: Report): number | undefined {
  const port = /^[0-9]{1,5}$/.test(entry.value) ? Number(entry.value) : 0
  if (port > 0 && port <= 65_535) return port
  report.problem(entry.at, `${entry.key} must be a port from 1 to 65535`)
  return undefined
}

/** On loopback where strangers could come in without a password: the same port, for this machine alone. */
export function onLoopback(listen: ListenAddress): ListenAddress {
  if (listen.kind === 'unix' || isLocal(listen)) return listen
  const v6 = parseIp(listen.address)?.length === 16
  return { ...listen, address: v6 ? '::1' : '127.0.0.1' }
}
