import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ControlServer } from '../../src/control/server.js'
import { FakeGateway } from './fake-gateway.js'

const TOKEN = 'the-token'

async function opened(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-control-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const gateway = new FakeGateway()
  const socketPath = join(folder, 'control.sock')
  const server = await ControlServer.open({
    gateway,
    policy: gateway.policy,
    version: '0',
    token: TOKEN,
    socket: socketPath,
  })
  t.teardown(() => server.close())
  await server.listen({ kind: 'tcp', address: '127.0.0.1', port: 0 })
  const port = Number(/:(\d+)$/.exec(server.listening ?? '')?.[1])
  const get = (
    to: { port: number } | { socketPath: string },
    path: string,
    headers: Record<string, string> = {},
  ) =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
      (resolve, reject) => {
        const outgoing = request({ ...to, host: '127.0.0.1', path, headers, agent: false })
        outgoing.on('error', reject)
        outgoing.on('response', (incoming) => {
          let text = ''
          incoming.on('data', (data) => {
            text += data
          })
          incoming.on('end', () =>
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }),
          )
        })
        outgoing.end()
      },
    )
  return { port, socketPath, get, gateway }
}

t.test('the PAC file under both names, with a tag that spares a second transfer', async (t) => {
  const { port, get } = await opened(t)
  for (const path of ['/proxy.pac', '/wpad.dat']) {
    const first = await get({ port }, path)
    t.equal(first.status, 200)
    t.equal(first.headers['content-type'], 'application/x-ns-proxy-autoconfig')
    t.equal(first.headers['cache-control'], 'no-cache')
    t.match(first.text, /FindProxyForURL/)
    for (const tag of ['"tag"', 'W/"tag"', '"a", "tag"', '*']) {
      const again = await get({ port }, path, { 'if-none-match': tag })
      t.equal(again.status, 304, tag)
      t.equal(again.text, '')
    }
    t.equal((await get({ port }, path, { 'if-none-match': '"other"' })).status, 200)
  }
})

t.test('explanations, and what there is nobody to explain', async (t) => {
  const { socketPath, get } = await opened(t)
  const ask = (query: string) => get({ socketPath }, `/api/v1/policy/explain?${query}`)
  const answer = await ask('host=git.example&port=443&program=/bin/x')
  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), {
    target: 'git.example:443 /bin/x',
    environment: 'office',
    rule: 'pvpn.yaml:9',
    consulted: [{ environment: 'site', addresses: ['10.0.0.1'] }],
  })
  t.equal((await ask('host=none.example&port=1')).status, 404)
  const down = await ask('host=down.example&port=1')
  t.equal(down.status, 503)
  t.match(JSON.parse(down.text), { error: { code: 'ERR_DOWN' } })
  t.equal((await ask('host=x')).status, 400)
  t.equal((await ask('host=x&port=1&more=2')).status, 400)
})

t.test('decisions are the owner’s: by the socket, or with the token', async (t) => {
  const { port, socketPath, get } = await opened(t)
  const path = '/api/v1/policy/decisions'
  t.equal((await get({ port }, path)).status, 401)
  t.equal((await get({ port }, '/api/v1/policy/explain?host=a&port=1')).status, 401)
  t.equal((await get({ port }, path, { authorization: 'Bearer other' })).status, 401)
  for (const answer of [
    await get({ socketPath }, path),
    await get({ port }, path, { authorization: `Bearer ${TOKEN}` }),
  ]) {
    t.equal(answer.status, 200)
    t.match(JSON.parse(answer.text), [{ program: '/usr/bin/git', took: 0.5, by: 'rule' }])
  }
})
