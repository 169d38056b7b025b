/** A CONNECT that arrives whole is served without node:http: the answers must be those of the other way. */
import t from 'tap'
import { parsePlainConnect } from '../../src/listener/http-head.js'
import { accelProblem } from '../../src/native/accel.js'
import { type Cleaner, RawClient, startProxy, startServer } from '../support/proxy.js'

const AUTHORIZED = `Proxy-Authorization: Basic ${Buffer.from('ann:secret').toString('base64')}\r\n`

/** What `text` brings, sent in these parts one after another. */
async function answer(port: number, parts: readonly string[]): Promise<string> {
  const client = await RawClient.open(port)
  client.socket.setNoDelay(true)
  for (const part of parts) {
    client.send(Buffer.from(part, 'latin1'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  client.socket.end()
  return client.rest()
}

const echo = (t: Cleaner) => startServer(t, (socket) => socket.pipe(socket))

const HEADS: Readonly<Record<string, (o: string) => string>> = {
  plain: (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\n${AUTHORIZED}\r\nearly`,
  'HTTP/1.0': (o) => `CONNECT ${o} HTTP/1.0\r\n${AUTHORIZED}\r\nearly`,
  'HTTP/1.2': (o) => `CONNECT ${o} HTTP/1.2\r\nHost: ${o}\r\n${AUTHORIZED}\r\n`,
  'no password': (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'a wrong password': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\n${AUTHORIZED.replace(' Y', ' X')}\r\n`,
  'two passwords': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\n${AUTHORIZED}${AUTHORIZED}\r\nearly`,
  'no Host field': (o) => `CONNECT ${o} HTTP/1.1\r\n${AUTHORIZED}\r\n`,
  'nothing listens': () =>
    `CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n${AUTHORIZED}\r\n`,
  'a body': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 5\r\n${AUTHORIZED}\r\nhello`,
  chunks: (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\n${AUTHORIZED}\r\n0\r\n\r\n`,
  'no port': () => `CONNECT localhost HTTP/1.1\r\nHost: a\r\n${AUTHORIZED}\r\n`,
  'a folded field': (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nX: a\r\n b\r\n${AUTHORIZED}\r\n`,
  'a bare CR': (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nX: a\rb\r\n${AUTHORIZED}\r\n`,
  'a bare LF': (o) => `CONNECT ${o} HTTP/1.1\nHost: ${o}\n${AUTHORIZED}\r\n\r\n`,
  'a NUL': (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nX: a\0b\r\n${AUTHORIZED}\r\n`,
  'a field in latin1': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nX: \xe9\r\n${AUTHORIZED}\r\nearly`,
  'no colon': (o) => `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nrubbish\r\n${AUTHORIZED}\r\n`,
  'a blank before the colon': (o) => `CONNECT ${o} HTTP/1.1\r\nHost : ${o}\r\n${AUTHORIZED}\r\n`,
  'a name that is no token': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nX(y): z\r\n${AUTHORIZED}\r\n`,
  'a target that is no authority': (o) =>
    `CONNECT {${o} HTTP/1.1\r\nHost: ${o}\r\n${AUTHORIZED}\r\n`,
  'another method that begins so': (o) => `COPY http://${o}/ HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
}

t.test('whole or in pieces, the answer is the same', async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t, { users: [{ name: 'ann', password: 'secret' }] })
  for (const [what, make] of Object.entries(HEADS)) {
    const text = make(`127.0.0.1:${port}`)
    const whole = await answer(proxy.port, [text])
    const cut = await answer(proxy.port, [text.slice(0, 30), text.slice(30)])
    t.match(whole, /^HTTP\/1\.1 \d/, what)
    // What node:http says of a broken head has its own words.
    const status = (said: string) => said.replace(/^(HTTP\/1\.1 400 ).*/s, '$1')
    t.equal(status(whole), status(cut), what)
  }
})

t.test('what follows the head stays behind it', async (t) => {
  const head = 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'
  const parsed = parsePlainConnect(Buffer.from(`${head}more\r\n\r\n`), 1000)
  t.match(parsed, { kind: 'done', value: { url: 'a:1' }, length: head.length })
  for (let i = 0; i < head.length; i++) {
    t.equal(parsePlainConnect(Buffer.from(head.slice(0, i)), 1000), undefined)
  }
  t.equal(parsePlainConnect(Buffer.from(head), 10), undefined, 'too long: the other way says so')
})

t.test('no socket of Node is made for it', { skip: accelProblem() ?? false }, async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t)
  const sockets = () =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
  /** Sockets of Node that are there once the tunnel is. */
  const made = async (...parts: string[]) => {
    const before = sockets()
    const client = await RawClient.open(proxy.port)
    t.teardown(() => client.socket.destroy())
    client.socket.setNoDelay(true)
    for (const part of parts) {
      client.send(part)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    t.match(await client.takeUntil('\r\n\r\n'), / 200 /)
    return sockets() - before
  }
  const line = `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n`
  t.equal(await made(`${line}Host: x\r\n\r\n`), 2, 'the client and the far side')
  t.ok((await made(line, 'Host: x\r\n\r\n')) > 2, 'in pieces node:http reads it')
})
