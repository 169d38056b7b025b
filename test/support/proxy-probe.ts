/**
 * proxy-probe PORT HOST TARGET_PORT [USER:PASSWORD]: asks one proxy port for one target in every way
 * there is, all at the same time, and prints what each way was told as a line of JSON. A program, so
 * that it runs in a namespace.
 */
import { parseIp } from '../../src/core/ip.js'
import { RawClient } from './proxy.js'

export interface HttpProbe {
  readonly status: number
  readonly proxyStatus: string
  readonly body: string
}

export interface Probe {
  /** Reply code; with a user also the method and the authentication's status, or -1 where none came. */
  readonly socks5: { readonly method: number; readonly auth: number; readonly reply: number }
  /** Reply code; null for targets that SOCKS4 can't name. */
  readonly socks4: number | null
  readonly connect: HttpProbe
  readonly get: HttpProbe
  /** Milliseconds until the last of them answered. */
  readonly milliseconds: number
}

/** Longest wait of a probe, in milliseconds. */
const PATIENCE = 40_000

async function socks5(port: number, host: string, target: number, user: string | undefined) {
  const client = await RawClient.open(port)
  client.send([5, 1, user === undefined ? 0 : 2])
  const method = (await client.take(2))[1] ?? -1
  let auth = -1
  if (method === 2 && user !== undefined) {
    const [name = '', password = ''] = user.split(':').map((text) => Buffer.from(text))
    client.send([1, name.length, ...Buffer.from(name), password.length, ...Buffer.from(password)])
    auth = (await client.take(2))[1] ?? -1
  }
  if (method === 0xff || auth > 0) return { method, auth, reply: -1 }
  const ip = parseIp(host)
  const address =
    ip === undefined ? [3, host.length, ...Buffer.from(host)] : [ip.length === 4 ? 1 : 4, ...ip]
  client.send([5, 1, 0, ...address, target >> 8, target & 255])
  await client.until(() => client.received.length >= 2 || client.closed, 'a reply', PATIENCE)
  const reply = client.received[1] ?? -1
  client.close()
  return { method, auth, reply }
}

async function socks4(port: number, host: string, target: number): Promise<number | null> {
  const ip = parseIp(host)
  if (ip?.length === 16) return null
  const client = await RawClient.open(port)
  const named = ip === undefined ? [0, 0, 0, 1, 0, ...Buffer.from(host), 0] : [...ip, 0]
  client.send([4, 1, target >> 8, target & 255, ...named])
  await client.until(() => client.received.length >= 8 || client.closed, 'a reply', PATIENCE)
  const reply = client.received[1] ?? -1
  client.close()
  return reply
}

async function http(port: number, request: string, user: string | undefined): Promise<HttpProbe> {
  const client = await RawClient.open(port)
  const basic =
    user === undefined
      ? ''
      : `Proxy-Authorization: Basic ${Buffer.from(user).toString('base64')}\r\n`
  client.send(`${request}${basic}Connection: close\r\n\r\n`)
  const settled = () => client.ended || client.closed || /^HTTP\/1.1 200/.test(client.text())
  await client.until(settled, 'an answer', PATIENCE)
  const [head = '', ...body] = client.text().split('\r\n\r\n')
  client.close()
  return {
    status: Number(head.split(' ')[1] ?? -1),
    proxyStatus: /^proxy-status: (.*)$/im.exec(head)?.[1] ?? '',
    body: body.join('\r\n\r\n'),
  }
}

async function main(): Promise<Probe> {
  const [port = 0, host = '', target = 0] = process.argv
    .slice(2, 5)
    .map((text, i) => (i === 1 ? text : Number(text))) as [number, string, number]
  const user = process.argv[5]
  const authority = `${host.includes(':') ? `[${host}]` : host}:${target}`
  const since = Date.now()
  const [five, four, connect, get] = await Promise.all([
    socks5(port, host, target, user),
    socks4(port, host, target),
    http(port, `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`, user),
    http(port, `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n`, user),
  ])
  return { socks5: five, socks4: four, connect, get, milliseconds: Date.now() - since }
}

main().then(
  (probe) => process.stdout.write(`${JSON.stringify(probe)}\n`),
  (thrown: unknown) => {
    process.stderr.write(`${String(thrown)}\n`)
    process.exitCode = 1
  },
)
