/** What `pvpn demo` prints once both sites are reachable. */
import { WEB_ADDRESS } from './plan.js'

interface Port {
  readonly name: string
  readonly port: number
}

interface Demo {
  readonly environments: readonly Port[]
  /** Port of the policy, which serves names of both. */
  readonly policy: number
  readonly control: string | null
  /** The runtime folder, when it is not the usual one. */
  readonly folder: string | undefined
  /** How this program is called. */
  readonly command: string
}

/** Lines to paste, each with what it will show. */
export function demoText({ environments, policy, control, folder, command }: Demo): string {
  const list = [...environments, { name: 'both', port: policy }].map(
    (e) => `  ${e.name.padEnd(7)} 127.0.0.1:${e.port}`,
  )
  const lines: string[] = [
    `Two private networks run on this machine now, both with ${WEB_ADDRESS.replace(/\d+$/, '0/24')}:`,
    '',
    ...list,
    '',
    'Paste into a second shell:',
    '',
  ]
  const say = (command: string, shows: string) => lines.push(`  ${command}`, `      # ${shows}`, '')
  for (const { name, port } of environments) {
    say(`curl -x socks5h://127.0.0.1:${port} http://${WEB_ADDRESS}/`, `the ${name} answers`)
  }
  for (const { name, port } of environments) {
    say(
      `curl -x socks5h://127.0.0.1:${port} http://intranet.example/`,
      `by a name that both networks have: the ${name}'s own DNS answers`,
    )
  }
  const names = environments.map(({ name }) => `http://${WEB_ADDRESS}.${name}.pvpn.internal/`)
  say(
    `curl -x http://127.0.0.1:${policy} ${names.join(' ')}`,
    'one port for both: the name says which network is meant',
  )
  const pvpn = `${folder === undefined ? '' : `PVPN_RUNTIME_DIR=${folder} `}${command}`
  say(`${pvpn} explain --last`, 'why these two went where they went')
  for (const { name } of environments) {
    say(
      `${pvpn} browser ${name} http://${WEB_ADDRESS}/`,
      `a window on the ${name}: a page with a picture of what happens`,
    )
  }
  say(`${pvpn} status`, 'what runs')
  if (control !== null) say(`${pvpn} dashboard`, 'the address of a page that shows it live')
  say('ip route; cat /etc/resolv.conf', 'nothing of this machine has changed')
  if (control !== null) lines.push(`Control port: http://${control}/`)
  lines.push('Ctrl-C ends it all.', '')
  return lines.join('\n')
}
