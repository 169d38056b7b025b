/**
 * slow-clients PORT COUNT HOST: that many connections that send the head of a request a byte a second,
 * half of them SOCKS5's, half HTTP's, until a byte arrives on standard input. Prints `ready` when all
 * are open and, at the end, how many still are.
 */
import { once } from 'node:events'
import { RawClient } from './proxy.js'

const [port = 0, count = 0] = process.argv.slice(2, 4).map(Number)
const host = process.argv[4] ?? ''
const GREETING = Buffer.from([5, 255, ...new Array<number>(255).fill(0)])
const HEAD = Buffer.from(
  `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX-Slow: ${'x'.repeat(200)}`,
)

async function main(): Promise<void> {
  const clients: RawClient[] = []
  for (let i = 0; i < count; i++) clients.push(await RawClient.open(port))
  let at = 0
  const send = () => {
    for (const [i, client] of clients.entries()) {
      const bytes = i % 2 === 0 ? GREETING : HEAD
      if (at < bytes.length && !client.closed) client.send(bytes.subarray(at, at + 1))
    }
    at++
  }
  send()
  const timer = setInterval(send, 1000)
  process.stdout.write('ready\n')
  await once(process.stdin, 'data')
  clearInterval(timer)
  process.stdout.write(`${clients.filter((client) => !client.closed).length}\n`)
  for (const client of clients) client.close()
  process.stdin.destroy()
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${String(thrown)}\n`)
  process.exit(1)
})
