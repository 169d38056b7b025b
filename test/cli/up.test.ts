/** `pvpn up` as users run it: real processes of `direct` environments, a YAML file, real commands. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.js'
import { gone, type Running, type Workplace, workplace } from './gateway-support.js'

const CHUNK = Buffer.alloc(64 * 1024, 'pvpn')
const CHUNKS = 60
const SECRET = 'proxy-password-of-the-test'

/** A web server on the host whose page takes about three seconds to come. */
async function origin(t: Test): Promise<number> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/slow') {
      response.end('hello\n')
      return
    }
    for (let i = 0; i < CHUNKS && !response.destroyed; i++) {
      response.write(CHUNK)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** GET of an absolute URL by the proxy. */
function fetchBy(proxy: number, url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: new URL(url).host }
    get({ host: '127.0.0.1', port: proxy, path: url, headers, agent: false }, resolve).on(
      'error',
      reject,
    )
  })
}

async function text(answer: IncomingMessage): Promise<string> {
  let all = ''
  for await (const data of answer) all += data
  return all
}

/** Rejects when the body breaks off. */
async function digest(answer: IncomingMessage): Promise<string> {
  const hash = createHash('md5')
  for await (const data of answer) hash.update(data)
  return hash.digest('hex')
}

async function socks5Reply(proxy: number): Promise<number | undefined> {
  const socket = connect(proxy, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(Buffer.from([5, 1, 0]))
  await once(socket, 'data')
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]))
  const [data] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return data[1]
}

interface Place {
  readonly w: Workplace
  readonly up: Running
  readonly file: string
  readonly a: number
  readonly b: number
  readonly lazy: number
  readonly page: string
}

async function started(t: Test): Promise<Place> {
  const w = workplace(t)
  const [a, b, lazy, port] = [await freePort(), await freePort(), await freePort(), await origin(t)]
  const file = join(w.root, 'pvpn.yaml')
  writeFileSync(
    file,
    `version: 1
control: { listen: none }
environments:
  a: { tunnel: { type: direct }, listen: 127.0.0.1:${a} }
  b: { tunnel: { type: direct }, listen: 127.0.0.1:${b} }
  lazy: { tunnel: { type: direct }, listen: 127.0.0.1:${lazy}, start: on-demand }
`,
    { mode: 0o600 },
  )
  const up = w.start('up', '-c', file)
  const waited = await w.pvpn('status', '--wait', '30')
  t.equal(waited.status, 0, waited.stderr + up.stderr)
  return { w, up, file, a, b, lazy, page: `http://127.0.0.1:${port}/` }
}

async function pidOf(w: Workplace, name: string): Promise<number> {
  const { environments } = JSON.parse((await w.pvpn('status', '--json')).stdout)
  return environments.find((e: { name: string }) => e.name === name).pid
}

t.test('up, kill -9 of one environment during a download in the other, stop', async (t) => {
  const { w, up, a, b, page } = await started(t)
  t.equal(await text(await fetchBy(a, page)), 'hello\n')
  const download = digest(await fetchBy(b, `${page}slow`))
  const pid = await pidOf(w, 'a')
  const began = performance.now()
  process.kill(pid, 'SIGKILL')
  await up.says(/^a +down +.*signal SIGKILL/m)
  const statuses = new Set<number | undefined>()
  for (;;) {
    const answer = await fetchBy(a, page).catch(() => undefined)
    if (answer?.statusCode === 200) break
    if (answer !== undefined) statuses.add(answer.statusCode)
    answer?.destroy()
  }
  // The lab holds it to 3 s; here other tests run beside.
  t.ok(performance.now() - began < 10_000, 'back soon')
  t.same([...statuses], [503], 'nothing but the truth in between')
  const whole = createHash('md5')
  for (let i = 0; i < CHUNKS; i++) whole.update(CHUNK)
  t.equal(await download, whole.digest('hex'), 'the download is whole')

  t.equal((await w.pvpn('stop', 'a')).stdout, 'a is stopped\n')
  t.equal(await socks5Reply(a), 3)
  const refused = await fetchBy(a, page)
  t.equal(refused.statusCode, 503)
  t.match(await text(refused), /pvpn start a/)
  t.equal((await w.pvpn('start', 'a')).stdout, `a is up (127.0.0.1:${a})\n`)
  t.equal((await fetchBy(a, page)).statusCode, 200)

  const pids = [await pidOf(w, 'a'), await pidOf(w, 'b')]
  t.equal((await up.signal('SIGTERM')).status, 0)
  await Promise.all(pids.map(gone))
  t.match(up.stdout, /^a +starting +127\.0\.0\.1:\d+\na|b +/m)
})

t.test('an on-demand environment serves the connection that starts it', async (t) => {
  const { w, up, lazy, page } = await started(t)
  await up.says(/^lazy +stopped +127\.0\.0\.1:\d+ +starts at the first connection$/m)
  const answers = await Promise.all([1, 2, 3].map(() => fetchBy(lazy, page)))
  for (const answer of answers) t.equal(await text(answer), 'hello\n')
  t.match(JSON.parse((await w.pvpn('status', '--json')).stdout).environments[2], {
    name: 'lazy',
    state: 'up',
    listen: { proxy: [`127.0.0.1:${lazy}`] },
  })
})

t.test('reload applies the file, and keeps what has not changed', async (t) => {
  const { w, up, file, a, b, page } = await started(t)
  const download = digest(await fetchBy(b, `${page}slow`))
  const good = readFileSync(file, 'utf8')
  const users = `[{ name: ann, password: ${SECRET} }]`
  writeFileSync(
    file,
    good.replace(`listen: 127.0.0.1:${a}`, `listen: 127.0.0.1:${a}, users: ${users}`),
  )
  const reloaded = await w.pvpn('reload')
  t.same([reloaded.status, reloaded.stdout], [0, 'restarted: a\nunchanged: b, lazy\n'])
  t.equal((await w.pvpn('status', '--wait', '20')).status, 0)
  t.equal((await fetchBy(a, page)).statusCode, 407)
  const pid = await pidOf(w, 'a')
  for (const what of ['cmdline', 'environ']) {
    t.notOk(readFileSync(`/proc/${pid}/${what}`, 'utf8').includes(SECRET), what)
  }
  writeFileSync(file, good.replace('type: direct', 'type: dirct'))
  const bad = await w.pvpn('reload')
  t.equal(bad.status, 2)
  t.match(bad.stderr, /pvpn\.yaml:4:\d+: /)
  await download
  t.equal((await fetchBy(a, page)).statusCode, 407, 'everything runs on')
  up.child.kill('SIGINT')
  const { status, stdout, stderr } = await up.ended
  t.equal(status, 0)
  t.notOk((stdout + stderr).includes(SECRET))
})

t.test('up without a usable configuration ends with status 2', async (t) => {
  const w = workplace(t)
  const none = await w.pvpn('up')
  t.equal(none.status, 2)
  t.match(none.stderr, /there is no configuration/)
  const file = join(w.root, 'bad.yaml')
  writeFileSync(
    file,
    'version: 1\nenvironments:\n  a: { tunnel: { type: direct }, listn: 127.0.0.1:1081 }\n',
  )
  const bad = await w.pvpn('up', '-c', file)
  t.equal(bad.status, 2)
  t.match(bad.stderr, /bad\.yaml:3:\d+: .*listen/)
})
