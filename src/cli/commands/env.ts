/** `pvpn env`: proxy variables for a shell. */
import { type Command, Option } from 'commander'
import { PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { connectAddress, lookUpProxy } from '../proxy-lookup.js'

const SHELLS = ['sh', 'fish', 'json'] as const
type Shell = (typeof SHELLS)[number]

/** The program's own machine stays reachable; everything else goes into the environment. */
const NO_PROXY = 'localhost,127.0.0.1,::1'

export function configure(command: Command, _context: CommandContext): void {
  command
    .argument('<environment>', 'its name')
    .addOption(new Option('--shell <shell>', 'for whom').choices(SHELLS).default('sh'))
  addConfigOption(command)
  addExamples(command, [
    ['eval "$(pvpn env office)"', 'programs started from this shell use "office"'],
    ['pvpn env office --shell fish | source', 'the same in fish'],
    ['pvpn env office --shell json', 'for programs'],
  ])
  command.action(async (name: string, options: { shell: Shell; config?: string }) => {
    const proxy = await lookUpProxy(name, options.config)
    const at = connectAddress(proxy.listen)
    if (at === undefined || at.kind === 'unix') throw noPort(name, at !== undefined)
    const user = await proxy.user()
    const login =
      user === undefined ? '' : `${percentEncode(user.name)}:${percentEncode(user.password)}@`
    const authority = `${login}${formatHostPort(at.address, at.port)}`
    process.stdout.write(formatVariables(variables(authority), options.shell))
  })
}

function noPort(name: string, unix: boolean): PvpnError {
  if (unix) {
    return new PvpnError(
      'ERR_UNSUPPORTED',
      `"${name}" listens on a Unix socket only, which proxy variables can't name`,
      { hint: 'give it a port too: listen: [127.0.0.1:1081, unix:PATH]' },
    )
  }
  return new PvpnError('ERR_DOWN', `"${name}" has no proxy port now`, {
    hint: 'give it `listen: ADDRESS:PORT`; with port 0 the gateway must run',
  })
}

/** Everything but RFC 3986's unreserved characters. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Each name in both cases: programs disagree which they read (curl: http_proxy in lower case only). */
function variables(authority: string): ReadonlyMap<string, string> {
  const out = new Map<string, string>()
  const http = `http://${authority}`
  const values = {
    http_proxy: http,
    https_proxy: http,
    all_proxy: `socks5h://${authority}`,
    no_proxy: NO_PROXY,
  }
  for (const [name, value] of Object.entries(values)) {
    out.set(name, value)
    out.set(name.toUpperCase(), value)
  }
  return out
}

function formatVariables(values: ReadonlyMap<string, string>, shell: Shell): string {
  switch (shell) {
    case 'json':
      return `${JSON.stringify(Object.fromEntries(values), null, 2)}\n`
    case 'fish':
      return lines(values, (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}';`)
    case 'sh':
      return lines(values, (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}';`)
  }
}

function lines(
  values: ReadonlyMap<string, string>,
  line: (name: string, value: string) => string,
): string {
  return [...values].map(([name, value]) => `${line(name, value)}\n`).join('')
}
