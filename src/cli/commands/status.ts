/** `pvpn status`: what runs, as a table or JSON; `--wait` for scripts. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { PvpnError } from '../../core/errors.js'
import type { GatewayStatus } from '../../gateway/contract.js'
import { addExamples, type CommandContext } from '../command.js'
import { fetchReady, fetchStatus } from '../control-commands.js'
import { statusTable } from '../status-table.js'

/** Between two looks while waiting, in milliseconds. */
const LOOK_INTERVAL = 100

interface StatusOptions {
  readonly json?: boolean
  readonly wait?: number
}

export function configure(command: Command, context: CommandContext): void {
  command
    .option('--json', 'as JSON')
    .option(
      '--wait <seconds>',
      'wait until every environment that should be up is up (also for the gateway itself); status 1 if that takes longer',
      seconds,
    )
    .action(async (options: StatusOptions) => {
      const ready = options.wait === undefined || (await waitReady(options.wait))
      const status = await fetchStatus()
      process.stdout.write(shown(status, options.json === true))
      if (!ready) context.setExitStatus(1)
    })
  addExamples(command, [
    ['pvpn status', 'a table'],
    ['pvpn status --json', 'everything, for programs'],
    ['pvpn status --wait 10', 'in scripts: go on once the environments are up'],
  ])
}

function shown(status: GatewayStatus, json: boolean): string {
  return json ? `${JSON.stringify(status, null, 2)}\n` : statusTable(status, Date.now())
}

/** False: the time is over. A gateway that does not run is waited for as well. */
async function waitReady(seconds: number): Promise<boolean> {
  const until = performance.now() + seconds * 1000
  for (;;) {
    try {
      if (await fetchReady()) return true
    } catch (error) {
      if (!(error instanceof PvpnError) || error.code === 'ERR_CONFIG') throw error
    }
    const left = until - performance.now()
    if (left <= 0) return false
    await sleep(Math.min(LOOK_INTERVAL, left))
  }
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > 86_400) {
    throw new InvalidArgumentError('a number of seconds is needed.')
  }
  return value
}
