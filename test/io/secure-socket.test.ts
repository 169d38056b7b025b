/** Connections over TLS that come to carry packets, against Node's own server. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { PvpnError } from '../../src/core/errors.js'
import type { OpenconnectTlsOptions } from '../../src/core/options.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { SecureConnection } from '../../src/core/secure-carrier.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { connectHost } from '../../src/io/host-connect.js'
import { SecureSocket } from '../../src/io/secure-socket.js'
import { secureContextOf } from '../../src/io/secure-tls.js'
import {
  FRAME,
  FRAME_HEADER_SIZE,
  FrameSplitter,
  frame,
  isDataFrame,
} from '../../src/tunnel/openconnect/frame.js'
import * as pem from '../support/tls-fixtures.js'

const MTU = 1200

interface Peer {
  readonly port: number
  readonly sockets: TLSSocket[]
  /** With TLS 1.3 the server is done later than the client. */
  socket(index: number): Promise<TLSSocket>
}

async function server(
  t: Test,
  certificate = pem.SERVER_CERTIFICATE,
  key = pem.SERVER_KEY,
): Promise<Peer> {
  const sockets: TLSSocket[] = []
  const listener = createServer({
    cert: certificate,
    key,
    ca: pem.CA,
    requestCert: true,
    rejectUnauthorized: false,
  })
  listener.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
  })
  listener.on('tlsClientError', () => {})
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return {
    port: (listener.address() as AddressInfo).port,
    sockets,
    socket: async (index) => {
      await eventually(() => sockets.length > index)
      return sockets[index] as TLSSocket
    },
  }
}

function secureSocket(t: Test, tls: OpenconnectTlsOptions, through = false): SecureSocket {
  const socket = new SecureSocket({
    tls,
    context: () => {
      const context = secureContextOf(tls)
      if (context === undefined) throw new Error('locked')
      return context
    },
    splitter: () => new FrameSplitter(),
    outlives: isDataFrame,
    packetSize: 2056,
    ...(through
      ? {
          dial: ({ address, port }, signal) =>
            connectHost({ host: address, port }, { signal, timeout: 5000 }),
        }
      : {}),
  })
  t.teardown(() => socket.close())
  return socket
}

async function open(
  socket: SecureSocket,
  port: number,
  host = 'vpn.example',
): Promise<{ connection: SecureConnection; text: () => string; error: PvpnError | undefined }> {
  return await new Promise((resolve) => {
    let text = ''
    const address = parseSocketAddress({ address: '127.0.0.1', port }) as Uint8Array
    const connection = socket.open(
      { host, address },
      {
        onSecure: () => resolve({ connection, text: () => text, error: undefined }),
        onBytes: (bytes) => {
          text += Buffer.from(bytes).toString()
        },
        onClose: (error) => resolve({ connection, text: () => text, error }),
      },
    )
  })
}

async function eventually(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 1000 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 5))
  return done()
}

const packet = (length: number, mark: number) => {
  const out = new Uint8Array(length).fill(mark)
  out[0] = 0x45
  return out
}

for (const through of [false, true]) {
  t.test(
    `bytes, then packets: each in a record of its own${through ? ', over another stream' : ''}`,
    async (t) => {
      const peer = await server(t)
      const socket = secureSocket(t, { ca: pem.CA }, through)
      const { connection, text, error } = await open(socket, peer.port)
      t.equal(error, undefined)
      const there = await peer.socket(0)
      const records: Buffer[] = []
      there.on('data', (chunk: Buffer) => records.push(chunk))
      connection.write(Buffer.from('hello'))
      t.ok(await eventually(() => records.length === 1))
      there.write('world')
      t.ok(await eventually(() => text() === 'world'))
      const came: Uint8Array[] = []
      socket.onBatch = (batch) => {
        for (let i = 0; i < batch.count; i++)
          if (batch.length[i] !== 0) came.push(batch.view(i).slice())
      }
      const first = frame(FRAME.data, packet(100, 1))
      connection.carry(first.subarray(0, 50), FRAME_HEADER_SIZE + MTU)
      connection.carry(first.subarray(50), FRAME_HEADER_SIZE + MTU)
      for (let i = 0; i < 200; i++) there.write(frame(FRAME.data, packet(100 + i, i)))
      t.ok(await eventually(() => came.length === 201), `${came.length}`)
      t.same(came[0], first)
      t.same(came[200], frame(FRAME.data, packet(299, 199)))
      records.length = 0
      const lengths = [MTU, MTU, MTU, 40, 41, MTU, 900, 900, MTU, MTU]
      for (let round = 0; round < 20; round++) {
        const batch = new PacketBatch({ capacity: 64, packetSize: 2056 })
        for (const length of lengths) batch.push(frame(FRAME.data, packet(length, round)))
        t.equal(socket.send(batch, 0), batch.count)
      }
      t.ok(await eventually(() => records.length >= 20 * lengths.length))
      t.same(
        records.map(({ length }) => length - FRAME_HEADER_SIZE),
        Array.from({ length: 20 }, () => lengths).flat(),
      )
      const bye = new PacketBatch({ capacity: 4, packetSize: 2056 })
      for (const type of [FRAME.data, FRAME.disconnect]) bye.push(frame(type, packet(30, 1)))
      socket.send(bye, 0)
      socket.close()
      await socket.flushed
      t.ok(await eventually(() => records.at(-1)?.[6] === FRAME.disconnect), 'the farewell arrives')
    },
  )
}

t.test('a full queue pushes back', async (t) => {
  const peer = await server(t)
  const socket = secureSocket(t, { ca: pem.CA })
  const { connection } = await open(socket, peer.port)
  connection.carry(new Uint8Array(0), FRAME_HEADER_SIZE + MTU)
  const there = await peer.socket(0)
  there.pause()
  const batch = new PacketBatch({ capacity: 64, packetSize: 2056 })
  while (!batch.full) batch.push(frame(FRAME.data, packet(MTU, 1)))
  let sent = 0
  const blocked = await eventually(() => {
    for (let i = 0; i < 50; i++) {
      if (socket.send(batch, 0) === 0) return true
      sent++
    }
    return false
  })
  t.ok(blocked, `after ${sent} batches`)
  let writable = false
  socket.onWritable = () => {
    writable = true
  }
  let received = 0
  there.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  there.resume()
  t.ok(await eventually(() => writable && received === sent * 64 * (MTU + FRAME_HEADER_SIZE)))
})

t.test('a connection that takes the place of another', async (t) => {
  const peer = await server(t)
  const socket = secureSocket(t, { ca: pem.CA })
  const types: number[] = []
  socket.onBatch = (batch) => {
    for (let i = 0; i < batch.count; i++)
      if (batch.length[i] !== 0) types.push(batch.view(i)[6] as number)
  }
  const one = await open(socket, peer.port)
  one.connection.carry(new Uint8Array(0), FRAME_HEADER_SIZE + MTU)
  await peer.socket(0)
  const two = await open(socket, peer.port)
  const [old, young] = [await peer.socket(0), await peer.socket(1)]
  // What has come and waits belongs to the old one as well.
  one.connection.carry(frame(FRAME.terminate), FRAME_HEADER_SIZE + MTU)
  two.connection.carry(new Uint8Array(0), FRAME_HEADER_SIZE + MTU)
  old.write(frame(FRAME.data, packet(40, 1)))
  old.write(frame(FRAME.terminate))
  await eventually(() => types.length === 1)
  young.write(frame(FRAME.keepalive))
  t.ok(await eventually(() => types.length >= 2))
  t.same(
    types.filter((type) => type !== FRAME.keepalive),
    [FRAME.data],
    'its packets, not its farewell',
  )
  const records: Buffer[] = []
  young.on('data', (chunk: Buffer) => records.push(chunk))
  const batch = new PacketBatch({ capacity: 1, packetSize: 2056 })
  batch.push(frame(FRAME.data, packet(40, 1)))
  socket.send(batch, 0)
  t.ok(await eventually(() => records.length === 1), 'packets go over the new one')
})

t.test('the server proves itself', async (t) => {
  const pin = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
  const peer = await server(t)
  const said = async (tls: OpenconnectTlsOptions, host?: string, port = peer.port) =>
    (await open(secureSocket(t, tls), port, host)).error?.message
  t.equal(await said({ ca: pem.CA }), undefined)
  t.equal(
    await said({ ca: pem.CA }, 'other.example'),
    'the certificate is of vpn.example, not of other.example',
  )
  t.match(
    await said({}),
    /^the certificate of vpn.example is signed by an authority that is not ours$/,
  )
  const wrong = await said({ pin })
  t.match(wrong, /^the key of vpn.example is another than server_pin says: it is pin-sha256:/)
  const right = /pin-sha256:(.*)$/.exec(wrong ?? '')?.[1] as string
  t.equal(
    await said({ pin: right }, 'any.example'),
    undefined,
    'a pin alone replaces chain and name',
  )
  t.match(
    await said({ pin: right, ca: pem.CA }, 'any.example'),
    /not of any.example/,
    'beside ca it does not',
  )
  t.match(await said({ pin, ca: pem.CA }), /^the key of vpn.example/)
  const expired = await server(t, pem.EXPIRED_CERTIFICATE, pem.EXPIRED_KEY)
  t.match(
    await said({ ca: pem.CA }, 'vpn.example', expired.port),
    /^certificate of vpn.example expired on 2021-01-01$/,
  )
  t.match(
    await said(
      { pin: /sha256:(.*)$/.exec((await said({ pin }, 'x', expired.port)) ?? '')?.[1] as string },
      'x',
      expired.port,
    ),
    /expired on 2021-01-01$/,
    'expiry is looked at under a pin, too',
  )
})

t.test('certificates of ours', async (t) => {
  t.throws(() => secureContextOf({ certificate: pem.CLIENT_CERTIFICATE, key: pem.SERVER_KEY }), {
    code: 'ERR_CONFIG',
  })
  t.throws(() => secureContextOf({ certificate: pem.EXPIRED_CERTIFICATE, key: pem.EXPIRED_KEY }), {
    code: 'ERR_AUTH',
    message: /expired/,
  })
  const locked = { certificate: pem.CLIENT_CERTIFICATE, key: pem.CLIENT_KEY_ENCRYPTED }
  t.equal(secureContextOf(locked), undefined)
  t.equal(secureContextOf({ ...locked, keyPassword: 'wrong' }), undefined)
  t.ok(secureContextOf({ ...locked, keyPassword: 'secret' }))
  const together = `${locked.certificate}\n${locked.key}`
  t.equal(secureContextOf({ certificate: together }), undefined, 'in one file')
  t.ok(secureContextOf({ certificate: together, keyPassword: 'secret' }))
  const pkcs12 = Uint8Array.from(Buffer.from(pem.CLIENT_PKCS12, 'base64'))
  t.equal(secureContextOf({ pkcs12 }), undefined)
  t.throws(() => secureContextOf({ pkcs12: Uint8Array.of(0x30, 1, 2) }), { code: 'ERR_CONFIG' })
  const peer = await server(t)
  const tls = { ca: pem.CA, certificate: pem.CLIENT_CERTIFICATE, key: pem.CLIENT_KEY }
  await open(secureSocket(t, tls), peer.port)
  t.ok(await eventually(() => peer.sockets.length === 1))
  t.equal(peer.sockets[0]?.getPeerCertificate().subject?.CN, 'ann')
})

t.test('nobody there, and no TLS there', async (t) => {
  const { error } = await open(secureSocket(t, {}), 1)
  t.match(error?.message, /^server unreachable: no TLS connection to 127.0.0.1:1 \(ECONNREFUSED\)$/)
  const { createServer: plain } = await import('node:net')
  const listener = plain((socket) => {
    socket.on('error', () => {})
    socket.end('SSH-2.0-OpenSSH_9\r\n')
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const other = await open(secureSocket(t, {}), (listener.address() as AddressInfo).port)
  t.match(other.error?.message, /^no TLS with 127.0.0.1:\d+: /)
})
