/**
 * socks-tool PORT resolve NAME | ptr ADDRESS | bind ADDRESS | hold HOST PORT SECONDS: a SOCKS5 client of
 * the tests' own, a program so that it runs in a namespace. Prints what it got; `bind` prints where it
 * can be reached, who came and what that one said, and answers `welcome`; `hold` keeps a connection to
 * a line echo open, without a byte, and then asks whether it still lives.
 */
import { connect, type Socket } from 'node:net'
import { formatIp, parseIp } from '../../src/core/ip.js'

const [port, mode, host = '', targetPort = '0', seconds = '0'] = process.argv.slice(2)
const COMMANDS: Readonly<Record<string, number>> = {
  resolve: 0xf0,
  ptr: 0xf1,
  bind: 2,
  hold: 1,
}

function exactly(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const bytes = socket.read(length) as Buffer | null
      if (bytes === null) return
      socket.removeListener('readable', look)
      resolve(bytes)
    }
    socket.on('readable', look)
    socket.once('end', () => reject(new Error('the proxy ended the connection')))
    socket.once('error', reject)
    look()
  })
}

function address(text: string): Buffer {
  const ip = parseIp(text)
  if (ip === undefined) return Buffer.concat([Buffer.from([3, text.length]), Buffer.from(text)])
  return Buffer.concat([Buffer.from([ip.length === 4 ? 1 : 4]), ip])
}

/** A reply: its address and port, or its code when it is a failure. */
async function answer(socket: Socket): Promise<string | number> {
  const [, reply, , kind] = await exactly(socket, 4)
  const size = kind === 1 ? 4 : kind === 4 ? 16 : ((await exactly(socket, 1))[0] as number)
  const bound = await exactly(socket, size)
  const port = (await exactly(socket, 2)).readUInt16BE()
  if (reply !== 0) return reply as number
  return `${kind === 3 ? bound.toString() : formatIp(bound)} ${port}`
}

async function main(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  socket.write(Buffer.from([5, 1, 0]))
  await exactly(socket, 2)
  const number = Buffer.from([Number(targetPort) >> 8, Number(targetPort) & 255])
  const command = Buffer.from([5, COMMANDS[mode ?? ''] ?? 1, 0])
  socket.write(Buffer.concat([command, address(host), number]))
  const first = await answer(socket)
  if (typeof first === 'number') return `reply ${first}`
  if (mode === 'bind') {
    process.stdout.write(`bound ${first}\n`)
    const peer = await answer(socket)
    if (typeof peer === 'number') return `reply ${peer}`
    process.stdout.write(`peer ${peer}\n`)
    socket.end('welcome\n')
    let said = ''
    for await (const chunk of socket) said += String(chunk)
    return `said ${said.trim()}`
  }
  if (mode !== 'hold') {
    socket.destroy()
    return first.split(' ')[0] ?? ''
  }
  process.stdout.write('held\n')
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000))
  socket.write('GET / HTTP/1.0\r\n\r\n')
  const status = await exactly(socket, 12)
  socket.destroy()
  return status.toString()
}

main().then(
  (text) => process.stdout.write(`${text}\n`),
  (thrown: unknown) => {
    process.stdout.write(`failed: ${String(thrown)}\n`)
    process.exitCode = 1
  },
)
