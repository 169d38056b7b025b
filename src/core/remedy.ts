import type { ErrorReport } from './errors.js'

/** What a person can do about an environment that is not up, by the code of its error. */
const REMEDIES: Readonly<Record<string, string>> = {
  ERR_AUTH: 'Check user name, password and keys in the configuration, then: pvpn reload',
  ERR_CONFIG: 'Correct the configuration or end the other program, then: pvpn restart ENV',
  ERR_DENIED: 'The far side refuses: ask whoever runs that network.',
  ERR_DOWN: 'Start it: pvpn start ENV',
  ERR_HOST_UNREACHABLE: 'Is this machine online, and the endpoint right? It goes on trying.',
  ERR_INTERNAL: 'The log of `pvpn up` says more. It is started again by itself.',
  ERR_LIMIT: 'End programs that hold many connections or files. It goes on trying.',
  ERR_NAME:
    'Is the endpoint spelled right, and does this machine resolve names? It goes on trying.',
  ERR_NET_UNREACHABLE: 'Is this machine online? It goes on trying.',
  ERR_PROTOCOL: 'Is the endpoint the VPN server of this configuration? It goes on trying.',
  ERR_REFUSED:
    'The host is there, but no VPN server listens: check the port of the endpoint. It goes on trying.',
  ERR_RESOLVER:
    'This machine cannot resolve the name of the endpoint: is it online? It goes on trying.',
  ERR_TIMEOUT: 'Are host and port right, and does this machine get there? It goes on trying.',
}

/** For an environment whose tunnel asks something (core/question.ts). */
const ASKS = 'It asks for that: pvpn start ENV'

/**
 * One sentence for the environment called `name`: the error's own, else by its code; null where nothing
 * sure can be said. `asks`: a person's answer would do.
 */
export function remedy(error: ErrorReport, name: string, asks?: boolean): string | null {
  const text = asks === true ? ASKS : (error.hint ?? REMEDIES[error.code])
  return text?.replace(/\bENV\b/, name) ?? null
}
