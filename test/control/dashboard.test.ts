/** The dashboard's doors: its files, signing in, what only the owner sees, the live stream. */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ControlServer } from '../../src/control/server.js'
import { ACTIVITY, FakeGateway } from './fake-gateway.js'

const TOKEN = 'the-token'

async function opened(t: Test) {
  const gateway = new FakeGateway()
  const socket = join(mkdtempSync(join(tmpdir(), 'pvpn-control-')), 'control.sock')
  const { policy } = gateway
  const server = await ControlServer.open({ gateway, policy, version: '1', token: TOKEN, socket })
  t.teardown(() => server.close())
  await server.listen({ kind: 'tcp', address: '127.0.0.1', port: 0 })
  const port = Number(/:(\d+)$/.exec(server.listening ?? '')?.[1])
  const origin = `http://127.0.0.1:${port}`
  const ask = (method: string, path: string, headers = {}, body?: object) =>
    fetch(`${origin}${path}`, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return { gateway, port, origin, ask }
}

async function cookieOf(ask: Awaited<ReturnType<typeof opened>>['ask']): Promise<string> {
  const answer = await ask('POST', '/api/v1/session', {}, { token: TOKEN })
  return (answer.headers.get('set-cookie') ?? '').replace(/;.*/, '')
}

t.test('the page and its files come from us and load nothing from others', async (t) => {
  const { ask } = await opened(t)
  const page = await ask('GET', '/')
  t.match(page.headers.get('content-security-policy'), /^default-src 'self';/)
  t.notMatch(page.headers.get('content-security-policy'), /unsafe/)
  const html = await page.text()
  t.match(html, /<noscript>[\s\S]*192\.168\.9\.52[\s\S]*<\/noscript>/, 'without scripts too')
  t.notMatch(html, /https?:\/\//)
  t.notMatch(html, / style=| on\w+=/)
  for (const [, path = ''] of html.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)) {
    const file = await ask('GET', path)
    t.equal(file.status, 200, path)
    t.notMatch(file.headers.get('content-type'), /json|plain/)
    const text = await file.text()
    for (const [, other = ''] of text.matchAll(/from '\.\/([^']+)'/g)) {
      t.equal((await ask('GET', `/page/${other}`)).status, 200, other)
    }
  }
})

t.test('no path leads out of the folder', async (t) => {
  const { ask } = await opened(t)
  for (const path of [
    '/page/',
    '/page/index.html',
    '/page/..%2fapp.ts',
    '/page/%2e%2e%2fapp.ts',
    '/page/....//app.ts',
    '/page/dashboard.js%00',
    '/page/..%5capp.ts',
    '/page//etc/passwd',
  ]) {
    t.ok([400, 404].includes((await ask('GET', path)).status), path)
  }
})

t.test('the token becomes a cookie that scripts and other sites do not get', async (t) => {
  const { ask, origin, gateway } = await opened(t)
  const path = '/api/v1/environments/office/stop'
  t.same(await (await ask('GET', '/api/v1/session')).json(), { signedIn: false })
  for (const token of ['', 'x', `${TOKEN}x`, 'the-toke', 'x'.repeat(300)]) {
    const answer = await ask('POST', '/api/v1/session', {}, { token })
    t.ok([400, 401].includes(answer.status), token.slice(0, 10))
    t.equal(answer.headers.get('set-cookie'), null)
  }
  const foreign = { origin: 'http://evil.example' }
  t.equal((await ask('POST', '/api/v1/session', foreign, { token: TOKEN })).status, 403)

  const answer = await ask('POST', '/api/v1/session', {}, { token: `${TOKEN}\n` })
  t.equal(answer.status, 200)
  const set = answer.headers.get('set-cookie') ?? ''
  t.match(set, /; HttpOnly; SameSite=Strict$/)
  t.match(set, /; Path=\/;/)
  t.notMatch(set, TOKEN, 'the cookie does not tell the token')
  const cookie = set.replace(/;.*/, '')
  t.same(await (await ask('GET', '/api/v1/session', { cookie })).json(), { signedIn: true })

  const own = { cookie, origin }
  t.equal((await ask('POST', path, own)).status, 200, 'our page may change things')
  t.equal((await ask('POST', path, { cookie, 'sec-fetch-site': 'same-origin' })).status, 200)
  t.same(gateway.calls, ['stop office 0', 'stop office 0'])
  t.equal((await ask('POST', path, { cookie })).status, 401, 'nobody knows which page asks')
  t.equal((await ask('POST', path, { cookie, ...foreign })).status, 403)
  for (const site of ['cross-site', 'same-site']) {
    t.equal((await ask('POST', path, { ...own, 'sec-fetch-site': site })).status, 403, site)
  }
  for (const wrong of [
    `${cookie}x`,
    cookie.slice(0, -1),
    cookie.replace(/=.*/, '='),
    `x${cookie}`,
  ]) {
    t.equal((await ask('POST', path, { cookie: wrong, origin })).status, 401, 'a wrong cookie')
  }
  t.equal(gateway.calls.length, 2)
  const out = await ask('DELETE', '/api/v1/session', own)
  t.match(out.headers.get('set-cookie'), /^pvpn-\d+=; .*Max-Age=0/)
})

t.test('who talks to whom is told to the owner only', async (t) => {
  const { ask, gateway } = await opened(t)
  const path = '/api/v1/environments/office/activity'
  for (const refused of [path, '/api/v1/events?activity=office']) {
    const answer = await ask('GET', refused)
    t.equal(answer.status, 401, refused)
    t.notMatch(await answer.text(), /git/)
  }
  t.equal(gateway.looks, 0)
  const cookie = await cookieOf(ask)
  t.same(await (await ask('GET', path, { cookie })).json(), ACTIVITY, 'every field is there')
  t.equal((await ask('GET', path, { authorization: `Bearer ${TOKEN}` })).status, 200)
  t.equal((await ask('GET', path.replace('office', 'none'), { cookie })).status, 404)
  t.equal((await ask('GET', '/api/v1/events?live=1', { cookie })).status, 400)
})

t.test('the live stream asks while somebody looks, and no longer', async (t) => {
  const { ask, port, gateway } = await opened(t)
  const cookie = await cookieOf(ask)
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `GET /api/v1/events?live=true&activity=office HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncookie: ${cookie}\r\n\r\n`,
  )
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk
    const count = (event: string) => text.split(`event: ${event}\n`).length - 1
    if (count('status') > 2 && count('activity') > 1) break
  }
  t.match(text, /"environment":"office","connections":\[\{"id":1000,"program":"\/usr\/bin\/git"/)
  socket.destroy()
  await once(socket, 'close')
  await new Promise((resolve) => setTimeout(resolve, 100))
  const { looks } = gateway
  await new Promise((resolve) => setTimeout(resolve, 2300))
  t.equal(gateway.looks, looks, 'nobody is asked when nobody looks')
})
