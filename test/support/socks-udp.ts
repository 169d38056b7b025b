/**
 * socks-udp PORT ask HOST PORT HEX | echo HOST PORT COUNT SIZE | fragment HOST PORT | end HOST PORT:
 * a client of SOCKS5's UDP ASSOCIATE, a program so that it runs in a namespace. `ask` prints the
 * answer to one datagram as hex; `echo` how many of COUNT different datagrams of SIZE bytes came back
 * whole, and whom they came from; `fragment` which of a fragment and a whole datagram came back;
 * `end` what a datagram gets once the TCP connection has ended.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { parseIp } from '../../src/core/ip.js'
import { parseSocks5Datagram } from '../../src/wire/socks5.js'
import { RawClient } from './proxy.js'

const [proxy, mode, host = '', targetPort = '0', ...rest] = process.argv.slice(2)
/** Bytes of `echo` under way at once: what a socket's buffer takes as Linux counts it. */
const WINDOW = 32 * 1024
/** Milliseconds for an answer; generous, since a name may have to be looked up first. */
const PATIENCE = 10_000

function datagram(payload: Uint8Array, fragment = 0): Buffer {
  const ip = parseIp(host)
  const port = Number(targetPort)
  const address =
    ip === undefined ? [3, host.length, ...Buffer.from(host)] : [ip.length === 4 ? 1 : 4, ...ip]
  return Buffer.from([0, 0, fragment, ...address, port >> 8, port & 255, ...payload])
}

async function associate(): Promise<{ tcp: RawClient; udp: Socket }> {
  const tcp = await RawClient.open(Number(proxy))
  tcp.send([5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
  const reply = (await tcp.take(12)).subarray(2)
  if (reply[1] !== 0) throw new Error(`reply ${reply[1]}`)
  const udp = createSocket('udp4')
  udp.connect(reply.readUInt16BE(8), '127.0.0.1')
  await once(udp, 'connect')
  return { tcp, udp }
}

/** The payload and sender of the next datagram, or why there is none. */
async function next(udp: Socket, patience = PATIENCE): Promise<{ from: string; payload: Buffer }> {
  const signal = AbortSignal.timeout(patience)
  const [bytes] = (await once(udp, 'message', { signal })) as [Buffer]
  const parsed = parseSocks5Datagram(bytes)
  if (parsed === undefined) throw new Error(`not a datagram: ${bytes.toString('hex')}`)
  const { target } = parsed
  return { from: `${target.host} ${target.port}`, payload: bytes.subarray(parsed.payloadAt) }
}

async function ask(udp: Socket): Promise<string> {
  udp.send(datagram(Buffer.from(rest[0] ?? '', 'hex')))
  return (await next(udp)).payload.toString('hex')
}

async function echo(udp: Socket): Promise<string> {
  const [count = 0, size = 0] = rest.map(Number)
  const from = new Set<string>()
  let whole = 0
  // A name is looked up first: only a few datagrams are kept for it meanwhile.
  udp.send(datagram(Buffer.from('warm')))
  await next(udp)
  const window = Math.max(1, Math.floor(WINDOW / size))
  for (let sent = 0; sent < count; sent += window) {
    const expected = new Set<string>()
    for (let i = sent; i < Math.min(count, sent + window); i++) {
      const payload = Buffer.alloc(size, `datagram ${i} `)
      expected.add(payload.toString('latin1'))
      udp.send(datagram(payload))
    }
    while (expected.size > 0) {
      const answer = await next(udp)
      from.add(answer.from)
      if (!expected.delete(answer.payload.toString('latin1'))) throw new Error('not what was sent')
      whole++
    }
  }
  return `${whole} from ${[...from].join(', ')}`
}

async function fragment(udp: Socket): Promise<string> {
  udp.send(datagram(Buffer.from('warm')))
  await next(udp)
  for (const number of [1, 2, 0x80, 0xff]) udp.send(datagram(Buffer.from('part'), number))
  udp.send(datagram(Buffer.from('whole')))
  return (await next(udp)).payload.toString()
}

async function end(tcp: RawClient, udp: Socket): Promise<string> {
  udp.send(datagram(Buffer.from('before')))
  const before = (await next(udp)).payload.toString()
  tcp.socket.end()
  await tcp.until(() => tcp.closed, 'the end of the TCP connection')
  udp.send(datagram(Buffer.from('after')))
  const after = await next(udp, 3000).then(
    ({ payload }) => payload.toString(),
    (thrown: NodeJS.ErrnoException) => thrown.code ?? String(thrown),
  )
  return `${before} ${after}`
}

async function main(): Promise<string> {
  const { tcp, udp } = await associate()
  const done = await (mode === 'ask'
    ? ask(udp)
    : mode === 'echo'
      ? echo(udp)
      : mode === 'fragment'
        ? fragment(udp)
        : end(tcp, udp))
  tcp.close()
  udp.close()
  return done
}

main().then(
  (text) => process.stdout.write(`${text}\n`),
  (thrown: unknown) => {
    process.stdout.write(`failed: ${String(thrown)}\n`)
    process.exit(1)
  },
)
