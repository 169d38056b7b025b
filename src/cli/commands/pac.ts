/** `pvpn pac`: the proxy auto-configuration file, and what it says of a URL. */
import { createContext, Script } from 'node:vm'
import type { Command } from 'commander'
import { PvpnError } from '../../core/errors.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { lookUpPac } from '../policy-lookup.js'
import { parseTarget, targetUrl } from '../policy-target.js'

/** For one evaluation, in milliseconds. */
const EVALUATION_TIMEOUT = 1_000

export function configure(command: Command, _context: CommandContext): void {
  command.option('--explain <url>', 'print what the file answers for this URL')
  addConfigOption(command)
  addExamples(command, [
    [
      'pvpn pac > proxy.pac',
      'the file; a running gateway serves it as http://127.0.0.1:1090/proxy.pac',
    ],
    ['pvpn pac --explain https://www.office.example/', 'which proxy a browser takes'],
  ])
  command.action(async ({ explain, config }: { explain?: string; config?: string }) => {
    const { text } = await lookUpPac(config)
    process.stdout.write(explain === undefined ? text : `${evaluate(text, explain)}\n`)
  })
}

/** As a browser would: without anything of Node's, and for a bounded time. */
function evaluate(text: string, target: string): string {
  const url = targetUrl(target)
  const { host } = parseTarget(url)
  try {
    const script = new Script(`${text}\nString(FindProxyForURL(url, host))`, {
      filename: 'proxy.pac',
    })
    const context = createContext(Object.assign(Object.create(null), { url, host }))
    return script.runInContext(context, { timeout: EVALUATION_TIMEOUT }) as string
  } catch (error) {
    throw new PvpnError('ERR_INTERNAL', `the file can't be evaluated: ${(error as Error).message}`)
  }
}
