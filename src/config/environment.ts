/** One entry of `environments:`. */
import type { EnvironmentOptions } from '../core/options.js'
import { parseTarget } from './address.js'
import { type Claim, checkOpen } from './claims.js'
import { type Context, type Finish, listenSpec } from './context.js'
import { dnsSpec, readDns } from './dns.js'
import { MAX_CONNECT_TIMEOUT } from './limits.js'
import type { Located, Place } from './place.js'
import { about, boolean, choice, list, located, number, object, oneOrList, text } from './spec.js'
import type { TunnelDraft } from './tunnels/contract.js'
import { tunnelSpec } from './tunnels/index.js'
import { readUsers, usersSpec } from './users.js'

const DEFAULT_CONNECT_TIMEOUT = 15

export function environmentSpec(context: Context) {
  const listen = listenSpec(context.folder)
  const protocol = about('Default tcp', choice(['tcp', 'udp']))
  const target = text('HOST:PORT', parseTarget)
  const forward = { listen: located(listen), to: about('HOST:PORT inside', target), protocol }
  const publish = {
    port: about('Port inside', located(number(1, 65_535))),
    to: about('HOST:PORT on the host', target),
    protocol,
  }
  return object(
    {
      tunnel: about('What connects to the remote network', tunnelSpec(context)),
      listen: about('SOCKS4, 4a, 5 and HTTP on one port', oneOrList(located(listen))),
      users: usersSpec,
      dns: about('Names inside', dnsSpec(context)),
      forwards: about(
        'Ports of this machine that lead to a service inside',
        list(object(forward, ['listen', 'to'])),
      ),
      publish: about(
        'Local services, reachable from inside',
        list(object(publish, ['port', 'to'])),
      ),
      start: about('on-demand: at the first connection', choice(['always', 'on-demand'])),
      connect_timeout: about(
        `Seconds until "no answer"; default ${DEFAULT_CONNECT_TIMEOUT}`,
        number(1, MAX_CONNECT_TIMEOUT, { fraction: true }),
      ),
      allow_unauthenticated: about('Needed to listen off loopback without users', boolean),
    },
    ['tunnel'],
  )
}

export type EnvironmentFields = NonNullable<ReturnType<ReturnType<typeof environmentSpec>['read']>>

export interface EnvironmentDraft {
  readonly name: string
  readonly place: Place
  readonly claims: readonly Claim[]
  readonly through: Located<string> | undefined
  /** Why it can not go through another environment. */
  readonly notThrough: string | undefined
  readonly udpPort: TunnelDraft['udpPort']
  /** The tunnel's type, for messages. */
  readonly type: string
  readonly carriesUdp: boolean
  readonly needsUdp: boolean
  /** It has no tunnel: the host's own network. */
  readonly direct: boolean
  /** `anyUdpPort`: the tunnel's own port is taken, and any other will do. */
  readonly finish: (anyUdpPort: boolean) => ReturnType<Finish<EnvironmentOptions>>
}

/** Reads what concerns one environment alone; claims and `through` are looked at over all of them. */
export function readEnvironment(
  name: string,
  place: Place,
  fields: EnvironmentFields,
  context: Context,
): EnvironmentDraft {
  const { values } = fields
  const owner = `environments.${name}`
  const proxies: Claim[] = (values.listen ?? []).map(({ value, place: at }) => ({
    listen: value,
    protocol: 'tcp',
    owner: `${owner}.listen`,
    place: at,
  }))
  const open: Claim[] = []
  const dns = readDns(values.dns, owner, open)
  const forwards = readForwards(fields, owner, open, context)
  const publish = readPublish(fields, context)
  const users = readUsers(values.users, name, context)
  const allowUnauthenticated = values.allow_unauthenticated === true
  const authenticated = (values.users?.length ?? 0) > 0
  const remedy = 'it needs users, or allow_unauthenticated: true'
  checkOpen(proxies, allowUnauthenticated || authenticated, remedy, context.report)
  const noUsers = 'it has no users, so it needs allow_unauthenticated: true'
  checkOpen(open, allowUnauthenticated, noUsers, context.report)
  const through = values.tunnel?.through
  return {
    name,
    place,
    claims: [...proxies, ...open],
    through,
    type: values.tunnel?.type ?? '',
    carriesUdp: values.tunnel?.draft.carriesUdp !== false,
    needsUdp: values.tunnel?.draft.needsUdp === true,
    notThrough: values.tunnel?.draft.notThrough,
    udpPort: values.tunnel?.draft.udpPort,
    direct: values.tunnel?.draft.direct === true,
    finish: (anyUdpPort) => {
      const tunnel = values.tunnel?.draft.finish()
      const finishedUsers = users()
      if (tunnel === undefined || finishedUsers === undefined) return undefined
      const moved = anyUdpPort && tunnel.type === 'wireguard'
      return {
        name,
        tunnel: moved ? { ...tunnel, listenPort: 0 } : tunnel,
        ...(through === undefined ? {} : { through: through.value }),
        listen: proxies.map((claim) => claim.listen),
        users: finishedUsers,
        dns,
        forwards,
        publish,
        start: values.start ?? 'always',
        connectTimeout: values.connect_timeout ?? DEFAULT_CONNECT_TIMEOUT,
        allowUnauthenticated,
      }
    },
  }
}

function readForwards(
  fields: EnvironmentFields,
  owner: string,
  claims: Claim[],
  context: Context,
): EnvironmentOptions['forwards'] {
  const forwards: EnvironmentOptions['forwards'][number][] = []
  for (const { values } of fields.values.forwards ?? []) {
    const { listen, to, protocol = 'tcp' } = values
    if (listen === undefined || to === undefined) continue
    if (listen.value.kind === 'unix' && protocol === 'udp') {
      context.report.problem(listen.place, 'a Unix socket can not forward udp')
    }
    const claim = {
      listen: listen.value,
      protocol,
      owner: `${owner}.forwards`,
      place: listen.place,
    }
    claims.push(claim)
    forwards.push({ listen: listen.value, to, protocol })
  }
  return forwards
}

function readPublish(fields: EnvironmentFields, context: Context): EnvironmentOptions['publish'] {
  const publish: EnvironmentOptions['publish'][number][] = []
  const seen = new Set<string>()
  for (const { values } of fields.values.publish ?? []) {
    const { port, to, protocol = 'tcp' } = values
    if (port === undefined || to === undefined) continue
    if (fields.values.tunnel?.draft.outwardOnly === true) {
      const why = 'a proxy as tunnel takes no connections from inside: nothing can be published'
      context.report.problem(port.place, why)
    }
    const key = `${protocol} port ${port.value}`
    if (fields.values.tunnel?.draft.publishes === 'tcp' && protocol === 'udp') {
      const why = `a tunnel of type ${fields.values.tunnel.type} takes no datagrams from inside`
      context.report.problem(port.place, `${why}: udp can not be published`)
    }
    if (seen.has(key)) context.report.problem(port.place, `${key} is published twice`)
    seen.add(key)
    publish.push({ port: port.value, to, protocol })
  }
  return publish
}
