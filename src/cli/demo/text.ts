/** What `pvpn demo` prints once both sites are reachable. */
import { WEB_ADDRESS } from './plan.js'

interface Port {
  readonly name: string
  readonly port: number
}

/** Lines to paste, each with what it will show. `folder`: the runtime folder, when it is not the usual one. */
export function demoText(
  environments: readonly Port[],
  control: string | null,
  folder: string | undefined,
): string {
  const list = environments.map((e) => `  ${e.name.padEnd(7)} 127.0.0.1:${e.port}`)
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
  const set = folder === undefined ? '' : `PVPN_RUNTIME_DIR=${folder} `
  for (const { name } of environments) {
    say(
      `${set}pvpn browser ${name} http://${WEB_ADDRESS}/`,
      `a window on the ${name}: a page with a picture of what happens`,
    )
  }
  say(`${set}pvpn status`, 'what runs')
  say('ip route; cat /etc/resolv.conf', 'nothing of this machine has changed')
  if (control !== null) lines.push(`Control port: http://${control}/`)
  lines.push('Ctrl-C ends it all.', '')
  return lines.join('\n')
}
