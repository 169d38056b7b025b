/**
 * An environment's process without a network, for tests of the gateway: talks core/ipc.ts, greets
 * clients with `NAME PID HOW` and echoes, and does what a client's line or its own name says.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { getHeapSpaceStatistics } from 'node:v8'
import type { RecentFailure } from '../../src/core/activity.js'
import type { EnvironmentStatus } from '../../src/core/environment.js'
import type { FromEnvironment, ToEnvironment } from '../../src/core/ipc.js'
import type { EnvironmentOptions } from '../../src/core/options.js'
import { type Answers, question } from '../../src/core/question.js'
import { environmentFigures } from '../support/figures.js'

const name = process.argv[2] ?? ''
const servers: Server[] = []
let status: EnvironmentStatus | undefined
const FAILURE: RecentFailure = {
  at: '2026-01-01T00:00:00.000Z',
  code: 'ERR_REFUSED',
  message: 'connection refused',
  target: '192.168.11.10:81',
  hint: null,
  times: 1,
}

function tell(message: FromEnvironment): void {
  process.send?.(message)
}

function state(value: EnvironmentStatus['state'], message?: string): void {
  const error = message === undefined ? null : { code: 'ERR_TIMEOUT', message }
  if (status !== undefined) status = { ...status, state: value, error }
  tell({ kind: 'state', state: value, error })
}

/** A server with a password and a code. */
function ask(refused: boolean): void {
  tell({
    kind: 'state',
    state: 'failed',
    error: {
      code: 'ERR_AUTH',
      message: refused ? 'auth failed: refused' : 'auth failed: the server asks for this and that',
    },
    asks: [
      question('username', 'User name', { secret: false, setting: 'username' }),
      question('password', 'Password:', { refused, setting: 'password' }),
      question('code', 'Code', { once: true, secret: false }),
    ],
  })
}

function answered({ username, password, code }: Answers): void {
  if (username === 'ann' && password === 'right horse' && code === '123456') state('up')
  else ask(true)
}

function serve(socket: Socket, how: string): void {
  socket.allowHalfOpen = true
  socket.on('error', () => {})
  socket.write(`${name} ${process.pid} ${how}\n`)
  socket.on('data', (data) => {
    const word = data.toString().trim()
    if (word === 'crash') process.exit(3)
    if (word === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    if (word === 'again') ask(false)
    if (word === 'down') state('down', 'the far side is silent')
    if (word === 'memory') eatMemory()
    if (word === 'young') socket.write(`${youngGeneration()}\n`)
    socket.write(data)
  })
  socket.on('end', () => socket.end())
  socket.resume()
}

function eatMemory(): void {
  const eaten: object[] = []
  for (;;) eaten.push(new Array(1000).fill({}))
}

/** Bytes of the heap's young generation after much that lived for a while. */
function youngGeneration(): number {
  const alive: object[] = new Array(50_000)
  for (let i = 0; i < 5_000_000; i++) alive[i % alive.length] = { i }
  const spaces = getHeapSpaceStatistics()
  return spaces.find((space) => space.space_name === 'new_space')?.space_size ?? 0
}

async function start(options: EnvironmentOptions): Promise<void> {
  status = {
    name,
    state: 'starting',
    error: null,
    pid: process.pid,
    tunnel: {
      type: options.tunnel.type,
      endpoint: null,
      since: null,
      lastHandshake: new Date(0).toISOString(),
      bytesIn: 11,
      bytesOut: 22,
    },
    addresses: ['192.168.9.52'],
    mtu: 1420,
    dns: { servers: ['192.168.10.1'], search: [] },
    listen: {
      proxy: options.listen.map((l) => ('port' in l ? `${l.address}:${l.port}` : l.path)),
      dns: [],
    },
    connections: 0,
  }
  for (const listen of options.listen) {
    const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, 'own'))
    servers.push(server)
    const error = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve)
      const done = () => resolve(undefined)
      if (listen.kind === 'unix') server.listen(listen.path, done)
      else server.listen(listen.port, listen.address, done)
    })
    if (error !== undefined) {
      tell({ kind: 'listening', error: { code: 'ERR_CONFIG', message: error.message } })
      return
    }
  }
  if (name.startsWith('dns-taken')) {
    tell({ kind: 'listening', error: { code: 'ERR_CONFIG', message: '127.0.0.1:53 is in use' } })
    return
  }
  tell({ kind: 'listening' })
  state('starting')
  if (name.startsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 700))
  if (name.startsWith('silent')) {
    await new Promise((resolve) => setTimeout(resolve, 300))
    state('starting', 'no answer from 127.0.0.1:9')
  } else if (name.startsWith('asks')) {
    ask(false)
  } else if (name.startsWith('wrong')) {
    state('failed', 'wrong password')
  } else {
    state('up')
  }
}

process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
process.on('message', (message: ToEnvironment, socket: Socket | undefined) => {
  switch (message.kind) {
    case 'start':
      void start(message.options)
      break
    case 'answer':
      answered(message.answers)
      break
    case 'stop':
      for (const server of servers) server.close()
      if (!name.startsWith('stubborn')) setTimeout(() => process.exit(0), 30)
      break
    case 'status':
      if (status !== undefined) tell({ kind: 'status', id: message.id, status })
      break
    case 'figures':
      tell({ kind: 'figures', id: message.id, figures: environmentFigures() })
      break
    case 'connection':
      if (socket !== undefined) serve(socket, message.head === undefined ? 'handed' : 'head')
      break
    case 'resolve': {
      const { id, host } = message
      const error = { code: 'ERR_RESOLVER', message: 'silent servers' }
      if (host.startsWith('silent.')) tell({ kind: 'addresses', id, addresses: [], error })
      else tell({ kind: 'addresses', id, addresses: host === 'db.example' ? ['10.20.0.7'] : [] })
      break
    }
    case 'activity':
      if (name.startsWith('silent')) break
      tell({
        kind: 'activity',
        id: message.id,
        activity: { connections: [], total: 2, failures: [FAILURE] },
      })
      break
    default:
      message satisfies never
  }
})
if (name.startsWith('crash-boot')) process.exit(4)
if (!name.startsWith('never-ready')) tell({ kind: 'ready' })
