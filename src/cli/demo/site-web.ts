/** The web server of a demo site, on the site's own stack. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { StreamDuplex } from '../../io/stream-duplex.js'
import type { Stack } from '../../stack/contract.js'
import { htmlPage, textPage, type Visit } from './page.js'

/** Largest answer of `/big?n=BYTES`. */
const MOST_BYTES = 16 * 2 ** 30
const BLOCK = Buffer.alloc(256 * 1024, '0123456789abcdef')

export type VisitFacts = Omit<Visit, 'client' | 'server'>

/** `GET /`: the page; `GET /big?n=BYTES`: that many bytes; `POST`: counts what it gets. */
export function serveWeb(stack: Stack, facts: VisitFacts): void {
  const server = createServer({ requestTimeout: 0 })
  // `printf 'GET / …' | pvpn nc office HOST 80` ends its direction and wants the answer. (Not in @types/node.)
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('request', (request, response) => respond(request, response, facts))
  for (const family of [4, 6] as const) {
    stack.listenTcp({ port: 80, family }).onConnection = (stream) => {
      const duplex = new StreamDuplex(stream)
      duplex.on('error', () => undefined)
      addresses.set(duplex, { client: stream.remote.address, server: stream.local.address })
      server.emit('connection', duplex)
    }
  }
}

/** node:http asks sockets for their addresses; a Duplex has none, so they are kept here. */
const addresses = new WeakMap<object, { client: string; server: string }>()

function respond(request: IncomingMessage, response: ServerResponse, facts: VisitFacts): void {
  const where = addresses.get(request.socket) ?? { client: 'unknown', server: 'unknown' }
  const url = new URL(`http://inside.invalid${pathOf(request)}`)
  if (request.method === 'POST' || request.method === 'PUT') {
    countBody(request, response, facts)
    return
  }
  if (url.pathname === '/big') {
    const wanted = Number(url.searchParams.get('n') ?? '0')
    const bytes = Number.isSafeInteger(wanted) ? Math.min(Math.max(wanted, 0), MOST_BYTES) : 0
    sendBytes(response, bytes, request.method === 'HEAD')
    return
  }
  const visit = { ...facts, ...where }
  const html = (request.headers.accept ?? '').includes('text/html')
  const body = Buffer.from(html ? htmlPage(visit) : textPage(visit))
  response.writeHead(url.pathname === '/' ? 200 : 404, {
    'content-type': html ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** From its first slash on, which `*` and whole URLs have not or not there: they show the page too. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.startsWith('/') ? url : '/'
}

function countBody(request: IncomingMessage, response: ServerResponse, facts: VisitFacts): void {
  let got = 0
  request.on('data', (chunk: Buffer) => {
    got += chunk.length
  })
  request.on('error', () => undefined)
  request.on('end', () => response.end(`${facts.site}: got ${got} bytes\n`))
}

function sendBytes(response: ServerResponse, bytes: number, headOnly: boolean): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  if (headOnly) {
    response.end()
    return
  }
  let left = bytes
  const more = () => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK
      left -= block.length
      if (!response.write(block)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
}
