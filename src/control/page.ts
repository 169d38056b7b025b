/** The dashboard's files, from the program's folder to the browser as they are. */
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { isLoopback } from '../core/listen-address.js'
import type { Gateway } from '../gateway/contract.js'
import { isOwner } from './credentials.js'
import type { OwnerOptions } from './owner.js'
import { statusTable } from './plain-page.js'

/** Scripts and styles are not compiled: they stay beside the sources. */
const FOLDER = new URL('../../../src/control/page/', import.meta.url)

const TYPES: Readonly<Record<string, string>> = {
  'dashboard.css': 'text/css; charset=utf-8',
  'dashboard.js': 'text/javascript; charset=utf-8',
  'card.js': 'text/javascript; charset=utf-8',
  'elements.js': 'text/javascript; charset=utf-8',
  'gateway.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
}

/** Everything comes from us, nothing is written into the page, nobody frames it. */
const PAGE_POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export interface PageOptions extends OwnerOptions {
  readonly gateway: Gateway
}

export function addPage(app: FastifyInstance, { gateway, guardOf }: PageOptions): void {
  const texts = new Map<string, Promise<string>>()
  const read = (name: string) => {
    const text = texts.get(name) ?? readFile(new URL(name, FOLDER), 'utf8')
    texts.set(name, text)
    return text
  }

  app.get('/', async (request, reply) => {
    const page = await read('index.html')
    const guarded = guardOf(request)
    const readable = isOwner(request.headers, guarded) || isLoopback(guarded?.address ?? '')
    const plain = readable ? statusTable(await gateway.status()) : ''
    return reply
      .header('content-security-policy', PAGE_POLICY)
      .type('text/html; charset=utf-8')
      .send(page.replace('<!-- status -->', () => plain))
  })
  for (const [name, type] of Object.entries(TYPES)) {
    app.get(`/page/${name}`, async (_request, reply) => reply.type(type).send(await read(name)))
  }
}
