/** `pvpn nc`: standard input and output to a port inside an environment, as ssh's ProxyCommand wants it. */
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { parseTarget } from '../../config/address.js'
import { PvpnError } from '../../core/errors.js'
import { resetSocket } from '../../io/socket-reset.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { connectAddress, lookUpProxy } from '../proxy-lookup.js'
import { connectThroughSocks } from '../socks-client.js'
import { openStandardOutput } from '../standard-output.js'

export const ownsStandardOutput = true

export function configure(command: Command, context: CommandContext): void {
  command
    .argument('<environment>', 'its name')
    .argument('<host>', 'name or address inside')
    .argument('<port>', 'TCP port')
  addConfigOption(command)
  addExamples(command, [
    ['ssh -o "ProxyCommand pvpn nc office %h %p" build', 'ssh to a host inside'],
    ['pvpn nc office db.office.example 5432', 'talk to a port'],
  ])
  command.action(async (name: string, host: string, port: string, options: { config?: string }) => {
    const written = host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host
    const target = parseTarget(`${written}:${port}`, (message) => {
      throw new PvpnError('ERR_CONFIG', message)
    })
    const proxy = await lookUpProxy(name, options.config)
    const at = connectAddress(proxy.listen)
    if (target === undefined || at === undefined) {
      throw new PvpnError('ERR_DOWN', `"${name}" has no proxy port now`)
    }
    const socket = await connectThroughSocks({ proxy: at, target, user: proxy.user })
    if (!(await relay(process.stdin, socket, openStandardOutput()))) context.setExitStatus(1)
  })
}

/**
 * Copies both ways until both are done; each side's end is passed on by itself. False when the
 * reader of standard output went away, rejects when the connection breaks.
 */
function relay(input: NodeJS.ReadStream, socket: Socket, output: Writable): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      input.unpipe(socket)
      input.destroy()
      act()
    }
    input.on('error', () => socket.end())
    output.on('error', () => {
      resetSocket(socket)
      finish(() => resolve(false))
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const words =
        error.code === 'ECONNRESET' ? 'connection reset' : `connection failed (${error.code})`
      finish(() => reject(new PvpnError('ERR_RESET', words, { cause: error })))
    })
    // Both directions have ended: `close` comes after the last byte went out, output still flushes.
    socket.on('close', () => finish(() => resolve(true)))
    socket.pipe(output)
    input.pipe(socket)
  })
}
