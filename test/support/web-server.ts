/**
 * web-server NAME ADDRESS:PORT…: the web server of a lab site, a program of its own so that it runs
 * in the site's namespace. `GET /` says its name, its address and the visitor's; `/big?n=BYTES` sends
 * that many bytes with a known MD5; `POST` answers with the length and MD5 of what came;
 * `/login` sets a cookie for the whole host name and sends the visitor to `/who` of the same, which
 * shows the cookie. `/slow?n=BYTES&ms=MS` sends them in pieces over that time. Prints `ready` when it listens.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pattern } from './pattern.js'

const [name = 'web', ...places] = process.argv.slice(2)
const PIECE = 64 * 1024

function hello(request: IncomingMessage, response: ServerResponse): void {
  const { localAddress, remoteAddress } = request.socket
  response.end(`${name} ${localAddress} ${remoteAddress} ${request.headers.host ?? '-'}\n`)
}

/** As many servers do it: with their own name in full. */
function login({ headers: { host = '' } }: IncomingMessage, response: ServerResponse): void {
  const domain = host.replace(/:\d+$/, '')
  const cookie = `seen=${name}; Domain=${domain}; Path=/`
  response.writeHead(302, { location: `http://${host}/who`, 'set-cookie': cookie }).end()
}

function count(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('md5')
  let length = 0
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    length += chunk.length
  })
  request.on('end', () => response.end(`${name} ${length} ${hash.digest('hex')}\n`))
}

async function send(response: ServerResponse, bytes: number, milliseconds: number): Promise<void> {
  response.writeHead(200, { 'content-length': bytes })
  const pieces = Math.max(1, Math.ceil(bytes / PIECE))
  for (let at = 0; at < bytes && !response.destroyed; at += PIECE) {
    const room = response.write(pattern(at, Math.min(PIECE, bytes - at)))
    if (!room)
      await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    if (milliseconds > 0) await new Promise((r) => setTimeout(r, milliseconds / pieces))
  }
  response.end()
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://lab.invalid')
  const bytes = Number(url.searchParams.get('n') ?? 0)
  const milliseconds = Number(url.searchParams.get('ms') ?? 0)
  if (request.method === 'POST' || request.method === 'PUT') count(request, response)
  else if (url.pathname === '/big' || url.pathname === '/slow') {
    send(response, bytes, milliseconds).catch(() => response.destroy())
  } else if (url.pathname === '/login') login(request, response)
  else if (url.pathname === '/who') {
    response.end(`${name} knows ${request.headers.cookie ?? 'nobody'}\n`)
  } else hello(request, response)
}

let waiting = places.length
for (const place of places) {
  const at = place.lastIndexOf(':')
  const host = place.slice(0, at).replace(/^\[|\]$/g, '')
  createServer({ requestTimeout: 0, keepAliveTimeout: 600_000 }, serve).listen(
    Number(place.slice(at + 1)),
    host,
    () => {
      if (--waiting === 0) process.stdout.write('ready\n')
    },
  )
}
