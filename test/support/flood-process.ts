/**
 * flood-process PROXY KIND COUNT: loads one environment from a process of its own, until it is ended.
 * `down` and `up`: COUNT connections that read or write as fast as they can; `udp-out`: one UDP
 * association that sends COUNT datagrams of 200 bytes a turn to a port inside; `udp-in`: one that asks
 * for datagrams of 1,000 bytes, COUNT at a time, for ten seconds. Answers any IPC message with the bytes
 * of each connection (or datagrams) so far.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FAR_ADDRESS } from './far-network.js'
import { socksConnect } from './socks-connect.js'

const [proxy = 0, , count = 1] = process.argv.slice(2).map(Number)
const kind = process.argv[3]
const totals = new Array<number>(kind?.startsWith('udp') ? 1 : count).fill(0)
const BLOCK = Buffer.alloc(65_536, 'x')

async function stream(i: number): Promise<void> {
  const socket = await socksConnect(proxy, FAR_ADDRESS, kind === 'down' ? 19 : 9)
  if (kind === 'down') socket.on('data', (bytes) => add(i, bytes.length))
  else fill(socket, i)
  socket.resume()
}

function fill(socket: Socket, i: number): void {
  const write = () => {
    add(i, BLOCK.length)
    socket.write(BLOCK, write)
  }
  write()
}

function add(i: number, amount: number): void {
  totals[i] = (totals[i] as number) + amount
}

/** The head of a datagram to a port of the far side (RFC 1928 section 7). */
function head(port: number): Buffer {
  return Buffer.from([0, 0, 0, 1, ...FAR_ADDRESS.split('.').map(Number), port >> 8, port & 255])
}

async function datagrams(): Promise<void> {
  const tcp = connect(proxy, '127.0.0.1')
  tcp.write(Buffer.from([5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]))
  let reply = Buffer.alloc(0)
  while (reply.length < 12) {
    const [bytes] = (await once(tcp, 'data')) as [Buffer]
    reply = Buffer.concat([reply, bytes])
  }
  const udp = createSocket('udp4')
  udp.connect(reply.readUInt16BE(10), '127.0.0.1')
  await once(udp, 'connect')
  udp.on('error', () => {})
  if (kind === 'udp-in') {
    udp.on('message', () => add(0, 1))
    udp.send(Buffer.concat([head(19), Buffer.from(`10000 ${count}`)]))
    return
  }
  const datagram = Buffer.concat([head(9), Buffer.alloc(200)])
  const turn = () => {
    for (let i = 0; i < count; i++) udp.send(datagram)
    add(0, count)
    setImmediate(turn)
  }
  turn()
}

process.on('message', () => process.send?.(totals))
process.on('disconnect', () => process.exit(0))
const started = kind === 'down' || kind === 'up' ? totals.map((_, i) => stream(i)) : [datagrams()]
await Promise.all(started)
process.send?.('started')
