/** The least of a WebSocket server (RFC 6455) that echoes what its clients send in whole frames. */
import { createHash } from 'node:crypto'
import type { Server } from 'node:http'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export function echoWebSockets(server: Server): void {
  server.on('upgrade', (request, socket, head) => {
    const key = request.headers['sec-websocket-key'] ?? ''
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    let received: Buffer = head
    const work = () => {
      for (let frame = takeFrame(received); frame !== undefined; frame = takeFrame(received)) {
        received = received.subarray(frame.end)
        socket.write(frame.answer)
      }
    }
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      work()
    })
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
    work()
  })
}

/** The first masked frame, as the server would send it. */
function takeFrame(bytes: Buffer): { end: number; answer: Buffer } | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes.readUInt8(1) & 0x7f
  const maskAt = short === 127 ? 10 : short === 126 ? 4 : 2
  if (bytes.length < maskAt + 4) return undefined
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  const from = maskAt + 4
  if (bytes.length < from + length) return undefined
  const answer = Buffer.alloc(maskAt + length)
  bytes.copy(answer, 0, 0, maskAt)
  answer.writeUInt8(short, 1)
  for (let i = 0; i < length; i++) {
    answer.writeUInt8(bytes.readUInt8(from + i) ^ bytes.readUInt8(maskAt + (i & 3)), maskAt + i)
  }
  return { end: from + length, answer }
}
