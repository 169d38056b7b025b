/** Conversations between a socket of Linux and one of ours, both as Node streams. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pattern } from '../../support/pattern.js'
import type { StackHost } from './stack-host.js'

const BLOCK = 64 * 1024

export interface Ends {
  readonly ours: Duplex
  readonly linux: Duplex
}

/** Opens a connection; `opener` sends the SYN. */
export async function open(
  host: StackHost,
  opener: 'us' | 'linux',
  family: 4 | 6 = 4,
): Promise<Ends> {
  if (opener === 'us') {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, host.linux[family])
    await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Duplex]>
    const ours = await host.connect(host.linux[family], (server.address() as AddressInfo).port)
    const [linux] = await accepted
    server.close()
    return { ours, linux }
  }
  const port = freshPort()
  let listener: { close(): void } | undefined
  const accepted = new Promise<Duplex>((resolve) => {
    listener = host.listen(port, resolve)
  })
  const linux = connect({ host: host.ours[family], port, allowHalfOpen: true })
  await once(linux, 'connect')
  const ours = await accepted
  listener?.close()
  return { ours, linux }
}

let lastPort = 20_000
export function freshPort(): number {
  lastPort++
  return lastPort
}

/** Sends `size` bytes of the pattern and ends; resolves when all are handed over. */
export async function send(to: Duplex, size: number): Promise<void> {
  let at = 0
  const source = new Readable({
    read() {
      if (at >= size) {
        this.push(null)
        return
      }
      const length = Math.min(BLOCK, size - at)
      const bytes = pattern(at, length)
      at += length
      this.push(bytes)
    },
  })
  await pipeline(source, to, { end: true })
}

/** Reads to the end: how much, and its MD5. */
export async function receive(from: Duplex): Promise<{ size: number; md5: string }> {
  const hash = createHash('md5')
  let size = 0
  for await (const bytes of from.iterator({ destroyOnReturn: false })) {
    hash.update(bytes as Buffer)
    size += (bytes as Buffer).length
  }
  return { size, md5: hash.digest('hex') }
}
