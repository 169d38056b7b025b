import { createServer } from 'node:http'
import t from 'tap'
import { absent, curl } from '../support/clients.js'
import { type Cleaner, startProxy } from '../support/proxy.js'

const skip = absent('curl')

/** Says what it got; `/404` and the like answer with that status. */
async function web(t: Cleaner): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      response.end(`${request.method} ${request.url} ${request.headers.host} ${body}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const ways = {
  '--socks4': (port: number) => ['--socks4', `127.0.0.1:${port}`],
  '--socks4a': (port: number) => ['--socks4a', `127.0.0.1:${port}`],
  '--socks5': (port: number) => ['--socks5', `127.0.0.1:${port}`],
  '--socks5-hostname': (port: number) => ['--socks5-hostname', `127.0.0.1:${port}`],
  '-x http://': (port: number) => ['-x', `http://127.0.0.1:${port}`],
  '--proxytunnel': (port: number) => ['--proxytunnel', '-x', `http://127.0.0.1:${port}`],
}

for (const [way, options] of Object.entries(ways)) {
  t.test(`curl ${way} reaches the page by address and name`, { skip }, async (t) => {
    const page = await web(t)
    const proxy = await startProxy(t)
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `http://${host}:${page}/a?b=c`
      const result = await curl(...options(proxy.port), url, url)
      const once = `GET /a?b=c ${host}:${page} `
      t.same(result, { status: 0, stdout: once + once, stderr: '' })
    }
    const posted = await curl(...options(proxy.port), '-d', 'x=1', `http://127.0.0.1:${page}/`)
    t.equal(posted.stdout, `POST / 127.0.0.1:${page} x=1`)
  })
}

const users = [{ name: 'ann', password: 'correct horse' }]

for (const way of ['--socks5', '--socks5-hostname', '-x', '--proxytunnel -x']) {
  t.test(`curl ${way} with a user`, { skip }, async (t) => {
    const page = await web(t)
    const proxy = await startProxy(t, { users })
    const url = `http://127.0.0.1:${page}/`
    const ask = (user: string[]) => curl(...way.split(' '), `127.0.0.1:${proxy.port}`, ...user, url)
    t.equal((await ask(['-U', 'ann:correct horse'])).stdout, `GET / 127.0.0.1:${page} `)
    for (const wrong of [[], ['-U', 'ann:wrong'], ['-U', 'bob:correct horse'], ['-U', ':']]) {
      const result = await ask(wrong)
      t.notMatch(result.stdout, 'GET /', `refused: ${wrong}`)
      if (way === '-x') t.match(result.stdout, '407')
      else t.not(result.status, 0)
    }
  })
}

t.test('curl with SOCKS4 is refused where users are wanted', { skip }, async (t) => {
  const proxy = await startProxy(t, { users })
  const result = await curl('--socks4', `127.0.0.1:${proxy.port}`, 'http://127.0.0.1:1/')
  t.not(result.status, 0)
  t.match(result.stderr, '93')
})

t.test('curl gets what it negotiates: 407 first, then the page', { skip }, async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t, { users })
  const url = `http://127.0.0.1:${page}/`
  for (const tunnel of [[], ['--proxytunnel']]) {
    const result = await curl(
      ...tunnel,
      ...['--proxy-anyauth', '-U', 'ann:correct horse', '-x', `127.0.0.1:${proxy.port}`, url],
    )
    t.equal(result.stdout, `GET / 127.0.0.1:${page} `)
  }
})

t.test('curl --http2 is answered with HTTP/1.1', { skip }, async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t)
  const url = `http://127.0.0.1:${page}/`
  const got = await curl('--http2', '-x', `127.0.0.1:${proxy.port}`, url)
  t.equal(got.stdout, `GET / 127.0.0.1:${page} `)
  const posted = await curl('--http2', '-d', 'x=1', '-x', `127.0.0.1:${proxy.port}`, url)
  t.equal(posted.stdout, `POST / 127.0.0.1:${page} x=1`)
})

t.test('curl -x sends an upload with Expect: 100-continue', { skip }, async (t) => {
  const page = await web(t)
  const proxy = await startProxy(t)
  const result = await curl(
    ...['-x', `127.0.0.1:${proxy.port}`, '-v', '-H', 'Expect: 100-continue', '--expect100-timeout'],
    ...['15', '-d', 'y'.repeat(2_000), `http://127.0.0.1:${page}/`],
  )
  t.match(result.stderr, 'HTTP/1.1 100 Continue')
  t.match(result.stdout, /y{2000}$/)
})

t.test('curl is told the truth about what failed', { skip }, async (t) => {
  const proxy = await startProxy(t)
  const socks = await curl('--socks5', `127.0.0.1:${proxy.port}`, 'http://127.0.0.1:1/')
  t.equal(socks.status, 97)
  t.match(socks.stderr, /\(5\)/)
  const http = await curl('-i', '-x', `127.0.0.1:${proxy.port}`, 'http://127.0.0.1:1/')
  t.match(http.stdout, /^HTTP\/1.1 502 [\s\S]*Proxy-Status: pvpn; error=connection_refused/)
  t.match(http.stdout, 'environment lab')
})
