/** `pvpn dashboard`: the address of the control port's page, which signs the browser in. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { PvpnError } from '../../core/errors.js'
import { runtimeFolder } from '../../io/runtime-folder.js'
import { addExamples } from '../command.js'
import { fetchStatus } from '../control-commands.js'

export function configure(command: Command): void {
  command.action(async () => {
    const { control } = await fetchStatus()
    if (control === null || control.startsWith('unix:')) {
      throw new PvpnError(
        'ERR_CONFIG',
        'the gateway has no control port that a browser can open; set control.listen to an address and port, then: pvpn reload',
      )
    }
    const token = (await readFile(runtimeFolder().token, 'utf8')).trim()
    // What stands behind the # is never sent, nor kept in the browser's history: the page takes it out.
    process.stdout.write(`http://${browsable(control)}/#token=${token}\n`)
  })
  addExamples(command, [
    ['pvpn dashboard', 'prints an address to open; it signs you in, so keep it to yourself'],
  ])
}

/** Listening on every address is reached on loopback. */
function browsable(control: string): string {
  return control.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
}
