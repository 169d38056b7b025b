/** TLS without a socket, against Node's own server side over a pair of streams. */
import { createHash, X509Certificate } from 'node:crypto'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket, type TlsOptions } from 'node:tls'
import t from 'tap'
import type { PvpnError } from '../../src/core/errors.js'
import type { OpenvpnTlsOptions } from '../../src/core/options.js'
import type { TlsEngine } from '../../src/core/tls-engine.js'
import { createTlsEngineFactory } from '../../src/io/tls-engine.js'
import * as pem from '../support/tls-fixtures.js'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const BASE: OpenvpnTlsOptions = {
  ca: [pem.CA],
  usages: [SERVER_AUTH],
  fingerprints: [],
  weakCertificates: false,
  name: { kind: 'name', value: 'vpn.example' },
}
const CLIENT = { certificate: pem.CLIENT_CERTIFICATE, key: pem.CLIENT_KEY }
const SERVER = { cert: pem.SERVER_CERTIFICATE, key: pem.SERVER_KEY }

interface Outcome {
  secure: boolean
  error: PvpnError | undefined
  plaintext: string
  engine: TlsEngine
  server: TLSSocket
}

/** Runs a session until something has come of it; records are cut into pieces of `cut` bytes. */
async function session(
  options: OpenvpnTlsOptions,
  server: TlsOptions = SERVER,
  cut = 1_000_000,
): Promise<Outcome> {
  return await new Promise((resolve) => {
    let engine: TlsEngine | undefined
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        for (let at = 0; at < chunk.length; at += cut) engine?.input(chunk.subarray(at, at + cut))
        done()
      },
    })
    const socket = new TLSSocket(wire, {
      isServer: true,
      requestCert: true,
      rejectUnauthorized: false,
      secureContext: createSecureContext({ ...server, ca: pem.CA }),
    })
    socket.on('error', () => undefined)
    const outcome = {
      secure: false,
      error: undefined,
      plaintext: '',
      server: socket,
    } as unknown as Outcome
    socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk}`))
    engine = createTlsEngineFactory(options)({
      onOutput: (bytes) => wire.push(Buffer.from(bytes)),
      onSecure: () => {
        outcome.secure = true
        engine?.write(new TextEncoder().encode('hello'))
      },
      onPlaintext: (bytes) => {
        outcome.plaintext += new TextDecoder().decode(bytes)
        if (outcome.plaintext === 'echo hello') resolve(outcome)
      },
      onError: (error) => {
        outcome.error = error
        resolve(outcome)
      },
    })
    outcome.engine = engine
  })
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${version}: certificates both ways, the same exported keys`, async (t) => {
    for (const cut of [1_000_000, 1]) {
      const { secure, engine, server, plaintext } = await session(
        { ...BASE, ...CLIENT },
        { ...SERVER, maxVersion: version },
        cut,
      )
      t.ok(secure)
      t.equal(plaintext, 'echo hello')
      t.equal(server.getProtocol(), version)
      t.match(server.getPeerCertificate().subject, { CN: 'ann' })
      const label = 'EXPORTER-OpenVPN-datakeys'
      const other = (
        server as unknown as { exportKeyingMaterial(n: number, l: string): Buffer }
      ).exportKeyingMaterial(256, label)
      t.same(Buffer.from(engine.exportKey(256, label)), other)
      engine.close()
      engine.close()
      engine.input(new Uint8Array(5))
      engine.write(new Uint8Array(5))
    }
  })
}

t.test('ciphers and groups that the file chooses', async (t) => {
  const cases = [
    [
      { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256', maximum: 'TLSv1.2' },
      /ECDHE-.*-AES128-GCM-SHA256/,
    ],
    [{ suites: 'TLS_CHACHA20_POLY1305_SHA256' }, /^TLS_CHACHA20_POLY1305_SHA256$/],
    [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, /^TLS_AES_256_GCM_SHA384$/],
    [{ weakCertificates: true }, /^TLS_AES_256_GCM_SHA384$/],
  ] as const
  for (const [more, cipher] of cases) {
    const { secure, server } = await session({ ...BASE, ...more }, SERVER)
    t.ok(secure)
    t.match(server.getCipher().name, cipher)
  }
  const { secure } = await session({ ...BASE, groups: 'P-384' }, { ...SERVER, ecdhCurve: 'P-384' })
  t.ok(secure)
  const none = await session({ ...BASE, groups: 'P-384' }, { ...SERVER, ecdhCurve: 'P-256' })
  t.notOk(none.secure, 'nothing in common')
})

t.test('refusals, before anything of ours is sent', async (t) => {
  const cases: readonly (readonly [Partial<OpenvpnTlsOptions>, TlsOptions, RegExp])[] = [
    [
      { name: { kind: 'name', value: 'other.example' } },
      SERVER,
      /is of vpn.example, not of other.example/,
    ],
    [{ name: { kind: 'name-prefix', value: 'nbg' } }, SERVER, /not of nbg/],
    [{ name: { kind: 'subject', value: 'CN=vpn' } }, SERVER, /not of CN=vpn/],
    [{ ca: [] }, SERVER, /is signed by an authority that is not ours/],
    [
      {},
      { cert: pem.EXPIRED_CERTIFICATE, key: pem.EXPIRED_KEY },
      /^certificate of vpn.example expired on 2021-01-01$/,
    ],
    [
      {},
      { cert: pem.CLIENT_CERTIFICATE, key: pem.CLIENT_KEY },
      /certificate of ann is not a server certificate/,
    ],
    [{ usages: ['1.2.3.4'] }, SERVER, /no extended key usage 1.2.3.4/],
    [{ keyUsage: true }, SERVER, /vpn.example says no key usage \(remote-cert-tls\)/],
    [{ fingerprints: ['00'.repeat(32)] }, SERVER, /another fingerprint/],
  ]
  for (const [more, server, words] of cases) {
    const { secure, error } = await session({ ...BASE, ...more }, server)
    t.notOk(secure)
    t.equal(error?.code, 'ERR_AUTH')
    t.match(error?.message, words)
  }
})

t.test('names and fingerprints that fit', async (t) => {
  const hash = createHash('sha256').update(new X509Certificate(pem.SERVER_CERTIFICATE).raw)
  const fingerprints = [hash.digest('hex')]
  for (const more of [
    { name: { kind: 'name-prefix', value: 'vpn' } },
    { name: { kind: 'subject', value: 'CN=vpn.example' } },
    { fingerprints },
    { fingerprints, ca: [] },
  ] as const) {
    t.ok((await session({ ...BASE, ...more })).secure, JSON.stringify(more))
  }
})

t.test('our own certificate: encrypted, in PKCS #12, expired, wrong', async (t) => {
  const encrypted = { certificate: pem.CLIENT_CERTIFICATE, key: pem.CLIENT_KEY_ENCRYPTED }
  t.ok((await session({ ...BASE, ...encrypted, keyPassword: 'secret' })).secure)
  const pkcs12 = Uint8Array.from(Buffer.from(pem.CLIENT_PKCS12, 'base64'))
  const { server } = await session({ ...BASE, ca: [], pkcs12, keyPassword: 'secret' })
  t.match(server.getPeerCertificate().subject, { CN: 'ann' }, 'its authority is trusted too')
  const expired = { certificate: pem.EXPIRED_CERTIFICATE, key: pem.EXPIRED_KEY }
  t.match(
    (await session({ ...BASE, ...expired })).error?.message,
    /^certificate of our own, vpn.example, expired/,
  )
  for (const [bad, code, message] of [
    [encrypted, 'ERR_AUTH', 'auth failed: the private key needs its password'],
    [{ pkcs12 }, 'ERR_AUTH', 'auth failed: the private key needs its password'],
    [{ certificate: pem.CLIENT_CERTIFICATE, key: pem.SERVER_KEY }, 'ERR_CONFIG', /can't be used/],
  ] as const) {
    t.throws(() => createTlsEngineFactory({ ...BASE, ...bad }), { code, message })
  }
  // With some wrong passwords the padding fits by chance, and OpenSSL finds something else amiss.
  for (let i = 0; i < 600; i++) {
    for (const locked of i < 5 ? [encrypted, { pkcs12 }] : [encrypted]) {
      try {
        createTlsEngineFactory({ ...BASE, ...locked, keyPassword: `wrong ${i}` })
        t.fail('a wrong password opens it')
      } catch (thrown) {
        if ((thrown as PvpnError).code !== 'ERR_AUTH') t.error(thrown, `wrong ${i}`)
      }
    }
  }
})

t.test('no TLS at all', async (t) => {
  const error = await new Promise<PvpnError>((resolve) => {
    const engine = createTlsEngineFactory(BASE)({
      onOutput: () => engine.input(new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n\r\n')),
      onSecure: () => t.fail(),
      onPlaintext: () => t.fail(),
      onError: resolve,
    })
  })
  t.equal(error.code, 'ERR_PROTOCOL')
  t.match(error.message, /^TLS failed: /)
})
