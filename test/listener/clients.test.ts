/** Programs and libraries that people use with proxies. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { fetch, ProxyAgent, WebSocket } from 'undici'
import { absent, run } from '../support/clients.js'
import { type Cleaner, startProxy, startServer } from '../support/proxy.js'
import { echoWebSockets } from '../support/websocket-echo.js'

const users = [{ name: 'ann', password: 'correct horse' }]

async function web(t: Cleaner) {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      response.end(`${incoming.method} ${incoming.url} ${Buffer.concat(chunks)}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

for (const [name, option] of [
  ['SOCKS5', '5'],
  ['SOCKS4', '4'],
  ['CONNECT', 'connect'],
] as const) {
  t.test(`nc -X ${option} talks through ${name}`, { skip: absent('nc') }, async (t) => {
    const echo = await startServer(t, (socket) => socket.pipe(socket))
    const proxy = await startProxy(t)
    const args = ['-X', option, '-x', `127.0.0.1:${proxy.port}`, '-N', '127.0.0.1', `${echo.port}`]
    const { status, stdout } = await run('nc', args, 'hello '.repeat(10_000))
    t.equal(stdout, 'hello '.repeat(10_000))
    t.equal(status, 0)
  })
}

t.test(
  'ssh goes through ProxyCommand nc -X 5',
  { skip: absent('sshd') || absent('nc') },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-ssh-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o700)
    for (const key of ['host', 'user']) {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)])
    }
    // What the service's start script would make.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
    // One sshd for each connection, on the socket as its standard input and output.
    const sshd = await startServer(t, (socket) => {
      const child = spawn('/usr/sbin/sshd', [
        ...['-i', '-e', '-f', '/dev/null', '-h', join(folder, 'host')],
        ...['-o', `AuthorizedKeysFile=${join(folder, 'user.pub')}`, '-o', 'StrictModes=no'],
        ...['-o', 'UsePAM=no', '-o', 'PasswordAuthentication=no'],
      ])
      child.stdin.on('error', () => {})
      socket.pipe(child.stdin)
      child.stdout.pipe(socket)
      child.on('exit', () => socket.destroySoon())
      t.teardown(() => child.kill())
    })
    const proxy = await startProxy(t)
    const { stdout, stderr } = await run('ssh', [
      ...[
        '-F',
        '/dev/null',
        '-i',
        join(folder, 'user'),
        '-p',
        `${sshd.port}`,
        '-o',
        'BatchMode=yes',
      ],
      ...['-o', `UserKnownHostsFile=${join(folder, 'known')}`, '-o', 'StrictHostKeyChecking=no'],
      ...['-o', `ProxyCommand=nc -X 5 -x 127.0.0.1:${proxy.port} %h %p`],
      ...['127.0.0.1', 'echo from the far side; head -c 300000 /dev/zero | wc -c'],
    ])
    t.equal(stdout, 'from the far side\n300000\n', stderr)
  },
)

t.test("Python's urllib uses the proxy variables", { skip: absent('python3') }, async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t, { users })
  const code = `
import urllib.request
proxy = 'http://ann:correct%20horse@127.0.0.1:${proxy.port}'
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': proxy}))
print(opener.open('http://127.0.0.1:${page.port}/a?b').read().decode())
print(opener.open('http://127.0.0.1:${page.port}/', data=b'x=1').read().decode())
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({'http': proxy.replace('ann', 'bob')})).open('http://127.0.0.1:${page.port}/')
except urllib.error.HTTPError as error:
    print(error.code)
`
  const { stdout, stderr } = await run('python3', ['-c', code])
  t.equal(stdout, 'GET /a?b \nPOST / x=1\n407\n', stderr)
})

t.test("undici's ProxyAgent, as used by fetch", async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t, { users })
  const dispatcher = new ProxyAgent({
    uri: `http://127.0.0.1:${proxy.port}`,
    token: `Basic ${Buffer.from('ann:correct horse').toString('base64')}`,
  })
  t.teardown(() => dispatcher.close())
  const url = `http://127.0.0.1:${page.port}/`
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(url, { dispatcher, method: 'POST', body: `${i}` })
    t.equal(await answer.text(), `POST / ${i}`)
  }
})

t.test('node:http asks in absolute-form, with an agent that keeps its connection', async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t)
  const ask = (method: string) =>
    new Promise<string>((resolve, reject) => {
      const path = `http://127.0.0.1:${page.port}/x`
      const out = request({ port: proxy.port, method, path }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => {
          text += chunk
        })
        answer.on('end', () => resolve(text))
      })
      out.on('error', reject)
      out.end(method === 'PUT' ? 'body' : undefined)
    })
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    t.equal(await ask(method), `${method} /x ${method === 'PUT' ? 'body' : ''}`)
  }
})

t.test('WebSocket echo: by Upgrade in absolute-form, and by CONNECT', async (t) => {
  const page = await web(t)
  echoWebSockets(page.server)
  const proxy = await startProxy(t)
  const dispatcher = new ProxyAgent(`http://127.0.0.1:${proxy.port}`)
  t.teardown(() => dispatcher.close())
  const tunnelled = new WebSocket(`ws://127.0.0.1:${page.port}/`, { dispatcher })
  tunnelled.addEventListener('open', () => tunnelled.send('x'.repeat(200_000)))
  const echoed = await new Promise((resolve) => {
    tunnelled.addEventListener('message', ({ data }) => resolve(data.length))
  })
  t.equal(echoed, 200_000)
  tunnelled.close()

  const socket = connect(proxy.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(
    `GET http://127.0.0.1:${page.port}/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  // A masked text frame "hi", with a mask of zeros.
  socket.write(Uint8Array.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  let text = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (text.endsWith('\x81\x02hi')) resolve()
    })
  })
  t.match(text, /^HTTP\/1\.1 101 [\s\S]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/)
})
