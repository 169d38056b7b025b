/** A web server that answers with raw bytes, so that tests decide every octet and every end. */
import type { Socket } from 'node:net'
import { type Cleaner, startServer } from './proxy.js'

export interface RawRequest {
  readonly head: string
  readonly body: string
  readonly socket: Socket
  /** Connections that the server had accepted by then. */
  readonly connection: number
}

export interface RawOrigin {
  readonly port: number
  readonly origin: string
  readonly requests: RawRequest[]
  connections: number
}

/** Calls `answer` for each whole request (Content-Length bodies; a chunked one is whole at its end mark). */
export async function startOrigin(
  t: Cleaner,
  answer: (request: RawRequest) => void,
): Promise<RawOrigin> {
  const requests: RawRequest[] = []
  const state = { connections: 0 }
  const { port } = await startServer(t, (socket) => {
    const connection = ++state.connections
    let seen = ''
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      for (;;) {
        const end = seen.indexOf('\r\n\r\n') + 4
        if (end < 4) return
        const head = seen.slice(0, end)
        const length = wholeLength(head, seen.slice(end))
        if (length === undefined) return
        const request = { head, body: seen.slice(end, end + length), socket, connection }
        seen = seen.slice(end + length)
        requests.push(request)
        answer(request)
      }
    })
    socket.on('end', () => socket.end())
  })
  return {
    port,
    origin: `127.0.0.1:${port}`,
    requests,
    get connections() {
      return state.connections
    },
  }
}

function wholeLength(head: string, rest: string): number | undefined {
  if (/^transfer-encoding: *chunked/im.test(head)) {
    const end = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(rest)
    return end === null ? undefined : end.index + end[0].length
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  return rest.length < length ? undefined : length
}
