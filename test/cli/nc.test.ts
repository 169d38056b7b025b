/** `pvpn nc` against a scripted SOCKS5 listener: bytes, half-close, back-pressure, failures. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { resetSocket } from '../../src/io/socket-reset.js'
import { absent, run } from '../support/clients.js'
import { startProxy, startServer } from '../support/proxy.js'
import { type Workplace, workplace } from './gateway-support.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))

interface Script {
  /** Method chosen from the greeting; 0 by default. */
  readonly method?: number
  readonly authStatus?: number
  /** Reply code; 0 by default. */
  readonly reply?: number
  /** Sent in one write with the reply. */
  readonly early?: string
  /** Runs once the connection stands. */
  readonly serve: (socket: Socket) => void
}

interface Listener {
  readonly port: number
  /** What the client has sent before the connection stood, in hex per message. */
  readonly heard: string[]
}

async function listener(t: Test, script: Script): Promise<Listener> {
  const heard: string[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    const answers = [
      () => socket.write(Uint8Array.of(5, script.method ?? 0)),
      ...(script.method === 2
        ? [() => socket.write(Uint8Array.of(1, script.authStatus ?? 0))]
        : []),
      () => {
        const head = Buffer.from([5, script.reply ?? 0, 0, 1, 127, 0, 0, 1, 0, 80])
        socket.off('data', step)
        socket.write(Buffer.concat([head, Buffer.from(script.early ?? '')]))
        script.serve(socket)
      },
    ]
    const step = (data: Buffer) => {
      heard.push(data.toString('hex'))
      answers.shift()?.()
    }
    socket.on('data', step)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, heard }
}

function configure(w: Workplace, port: number, more = ''): string {
  const folder = join(w.folder, '..', 'pvpn')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'pvpn.yaml')
  const office = `{ tunnel: { type: direct }, listen: 127.0.0.1:${port}${more} }`
  writeFileSync(file, `environments:\n  office: ${office}\n`, { mode: 0o600 })
  return file
}

function nc(
  t: Test,
  w: Workplace,
  ...args: string[]
): ChildProcess & { readonly ended: Promise<unknown[]> } {
  const child = spawn(process.execPath, [PVPN, 'nc', 'office', ...args], { env: w.env })
  t.teardown(() => child.kill('SIGKILL'))
  return Object.assign(child, { ended: once(child, 'close') })
}

async function setUp(t: Test, script: Script, more?: string) {
  const w = workplace(t)
  const { port, heard } = await listener(t, script)
  configure(w, port, more)
  return { w, heard }
}

t.test('bytes go both ways, each end by itself, and names stay names', async (t) => {
  const { w, heard } = await setUp(t, {
    early: 'hello ',
    serve: (socket) => {
      // Answers only after our side has ended.
      let said = ''
      socket.on('data', (data) => {
        said += data
      })
      socket.on('end', () => socket.end(`you said ${said}`))
    },
  })
  const child = nc(t, w, 'db.office.example', '5432')
  child.stdin?.end('ping')
  t.equal(await text(child.stdout as NodeJS.ReadableStream), 'hello you said ping')
  t.strictSame(await child.ended, [0, null])
  t.equal(heard[0], '05020002')
  t.equal(
    heard[1],
    `05010003${Buffer.from([17]).toString('hex')}${Buffer.from('db.office.example').toString('hex')}1538`,
  )
})

t.test("the far side's end closes standard output while standard input goes on", async (t) => {
  const later: string[] = []
  const { w, heard } = await setUp(t, {
    serve: (socket) => {
      socket.end('bye')
      socket.on('data', (data) => later.push(data.toString()))
    },
  })
  const child = nc(t, w, '2001:db8::1', '22')
  t.equal(await text(child.stdout as NodeJS.ReadableStream), 'bye', 'the reader sees the end')
  child.stdin?.write('still ')
  child.stdin?.end('here')
  t.strictSame(await child.ended, [0, null])
  t.equal(later.join(''), 'still here')
  t.equal(heard[1], '0501000420010db80000000000000000000000010016')
})

t.test('ten megabytes each way at once, to a reader that is slow to begin', async (t) => {
  const down = randomBytes(10_000_000)
  const up = randomBytes(10_000_000)
  const digest = createHash('md5')
  const { w } = await setUp(t, {
    serve: (socket) => {
      socket.on('data', (data) => digest.update(data))
      socket.end(down)
    },
  })
  const child = nc(t, w, '10.0.0.1', '80')
  child.stdin?.end(up)
  child.stdout?.pause()
  await once(child.stdin as NodeJS.WritableStream, 'finish')
  const got = createHash('md5')
  for await (const chunk of child.stdout as NodeJS.ReadableStream) got.update(chunk)
  t.strictSame(await child.ended, [0, null])
  t.equal(got.digest('hex'), createHash('md5').update(down).digest('hex'))
  t.equal(digest.digest('hex'), createHash('md5').update(up).digest('hex'))
})

t.test('a reset is status 1, and a reader who goes away ends it quietly', async (t) => {
  const { w } = await setUp(t, { serve: (socket) => setTimeout(() => resetSocket(socket), 50) })
  const child = nc(t, w, '10.0.0.1', '80')
  const said = text(child.stderr as NodeJS.ReadableStream)
  t.strictSame(await child.ended, [1, null])
  t.equal(await said, 'pvpn: connection reset\n')

  const endless = await setUp(t, {
    serve: (socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
      }
      socket.on('drain', more)
      more()
    },
  })
  const other = nc(t, endless.w, '10.0.0.1', '80')
  const complaint = text(other.stderr as NodeJS.ReadableStream)
  await once(other.stdout as NodeJS.ReadableStream, 'data')
  other.stdout?.destroy()
  t.strictSame(await other.ended, [1, null])
  t.equal(await complaint, '')
})

t.test('the password is used when the listener asks', async (t) => {
  const users = ", users: [{ name: ann, password_command: 'echo hunter2' }]"
  const echo = (socket: Socket) => socket.pipe(socket)
  const good = await setUp(t, { method: 2, serve: echo }, users)
  const child = nc(t, good.w, 'a', '1')
  child.stdin?.end('x')
  t.equal(await text(child.stdout as NodeJS.ReadableStream), 'x')
  const hex = (word: string) => Buffer.from([word.length, ...Buffer.from(word)]).toString('hex')
  t.equal(good.heard[1], `01${hex('ann')}${hex('hunter2')}`)
  for (const [script, more, words] of [
    [
      { method: 2, authStatus: 1, serve: echo },
      users,
      /^pvpn: the listener refuses user and password\n$/,
    ],
    [{ method: 2, serve: echo }, '', /^pvpn: the listener wants a user and password\nhint: /],
    [{ method: 255, serve: echo }, users, /^pvpn: the listener wants another login\n$/],
  ] as const) {
    const { w } = await setUp(t, script, more)
    t.match(await w.pvpn('nc', 'office', 'a', '1'), { status: 1, stderr: words })
  }
})

t.test('every reply of the listener is told in words', async (t) => {
  for (const [reply, words] of [
    [1, /could not be resolved/],
    [2, /policy/],
    [3, /not up, or there is no route/],
    [4, /no such name or host/],
    [5, /connection refused/],
    [6, /no answer/],
    [7, /CONNECT/],
    [8, /kind of address/],
    [99, /the listener failed \(99\)/],
  ] as const) {
    const { w } = await setUp(t, { reply, serve: () => {} })
    const { status, stdout, stderr } = await w.pvpn('nc', 'office', 'a.example', '1')
    t.strictSame([status, stdout], [1, ''])
    t.match(stderr, /^pvpn: a\.example port 1: .*\n$/)
    t.match(stderr, words)
  }
})

t.test('no listener, no SOCKS, wrong usage', async (t) => {
  const w = workplace(t)
  const { port } = await listener(t, { serve: () => {} })
  configure(w, 1)
  t.match(await w.pvpn('nc', 'office', 'a', '1'), {
    status: 1,
    stderr:
      /^pvpn: nothing listens on 127.0.0.1:1\nhint: is the gateway running\? start it with: pvpn up\n$/,
  })
  const http = createServer((socket) => socket.end('HTTP/1.1 400 no\r\n\r\n'))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => http.close())
  configure(w, (http.address() as AddressInfo).port)
  t.match(await w.pvpn('nc', 'office', 'a', '1'), { status: 1, stderr: /does not speak SOCKS5/ })
  configure(w, port)
  for (const args of [
    ['a', '0'],
    ['a', 'http'],
    ['a', '65536'],
    ['a b', '1'],
    ['a'],
    ['a', '1', 'b'],
  ]) {
    t.match(await w.pvpn('nc', 'office', ...args), { status: 2 }, args.join(' '))
  }
  t.match(await w.pvpn('nc', 'offic', 'a', '1'), { status: 2, stderr: /did you mean "office"/ })
})

t.test('the real listener: nc half-closes, env lets curl in, both with a password', async (t) => {
  const password = `p'a"s$@:/%\u00e9 x`
  const proxy = await startProxy(t, { users: [{ name: "a'n", password }] })
  const server = await startServer(t, (socket) => {
    const digest = createHash('md5')
    socket.on('data', (data) => digest.update(data))
    socket.on('end', () => socket.end(digest.digest('hex')))
  })
  const w = workplace(t)
  const quoted = JSON.stringify({ name: "a'n", password })
  configure(w, proxy.port, `, users: [${quoted}]`)
  const child = nc(t, w, 'localhost', String(server.port))
  const sent = randomBytes(4_000_000)
  child.stdin?.end(sent)
  const got = await text(child.stdout as NodeJS.ReadableStream)
  t.equal(got, createHash('md5').update(sent).digest('hex'))
  t.strictSame(await child.ended, [0, null])
  if (absent('curl')) return t.comment('curl is not installed: env was not tried with it')

  const page = (socket: Socket) => {
    socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'))
  }
  // An address of this machine that no_proxy does not have.
  const web = await startServer(t, page, '127.0.0.2')
  const { stdout } = await w.pvpn('env', 'office')
  for (const more of ['', 'unset http_proxy']) {
    const script = `${stdout}\n${more}\ncurl -sS --max-time 20 http://127.0.0.2:${web.port}/`
    t.match(await run('sh', ['-c', script]), { status: 0, stdout: 'hello', stderr: '' }, more)
  }
  t.equal(proxy.listener.counters.accepted, 3, 'nothing went past it')
})
