/**
 * Ports for tests that run side by side. Below the ephemeral range, so that neither a client's port nor
 * another test's port 0 takes one between the look and the use.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const FIRST = 12_000
const COUNT = 20_000
const TRIES = 100

/** A port that TCP and UDP could both listen on a moment ago. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if ((await tcpIsFree(address, port)) && (await udpIsFree(address, port))) return port
  }
  throw new Error(`no free port on ${address} in ${TRIES} tries`)
}

async function tcpIsFree(address: string, port: number): Promise<boolean> {
  const server = createServer().listen(port, address)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

async function udpIsFree(address: string, port: number): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(port, address)
  try {
    await once(socket, 'listening')
  } catch {
    return false
  } finally {
    socket.close()
  }
  return true
}
