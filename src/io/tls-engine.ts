/** Node's TLS without a socket, as `TlsEngine`: for tunnels whose records travel in packets of their own. */
import { X509Certificate } from 'node:crypto'
import { Duplex } from 'node:stream'
import {
  connect,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls'
import { PvpnError } from '../core/errors.js'
import type { OpenvpnTlsOptions } from '../core/options.js'
import type { TlsEngine, TlsEngineFactory, TlsEngineHandlers } from '../core/tls-engine.js'
import type { Bytes } from '../core/types.js'
import { expiredError, verifyPeer } from './tls-verify.js'

/** Throws ERR_AUTH when the key's password is wrong or missing, ERR_CONFIG when certificate and key do not fit. */
export function createTlsEngineFactory(options: OpenvpnTlsOptions): TlsEngineFactory {
  const secureContext = contextOf(options)
  return (handlers) => new NodeTlsEngine(options, secureContext, handlers)
}

function contextOf(options: OpenvpnTlsOptions): SecureContext {
  const { ca, certificate, key, pkcs12, keyPassword, crl, minimum, maximum } = options
  const context: SecureContextOptions = {
    // An empty list, never none: without one Node would trust the public authorities.
    ca: [...ca],
    minVersion: minimum ?? 'TLSv1.2',
    ...(maximum !== undefined && { maxVersion: maximum }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
    ...(pkcs12 !== undefined && { pfx: Buffer.from(pkcs12) }),
    ...(keyPassword !== undefined && { passphrase: keyPassword }),
    ...(crl !== undefined && { crl: [...crl] }),
    ...ciphersOf(options),
    ...(options.groups !== undefined && { ecdhCurve: options.groups }),
  }
  try {
    return createSecureContext(context)
  } catch (thrown) {
    const reason = reasonOf(thrown)
    if (isKeyLocked(options, reason)) {
      const how =
        keyPassword === undefined ? 'needs its password' : 'does not open with key_password'
      throw new PvpnError('ERR_AUTH', `auth failed: the private key ${how}`, { cause: thrown })
    }
    throw new PvpnError('ERR_CONFIG', `certificate and key can't be used: ${reason}`, {
      hint: 'check that the key belongs to the certificate',
    })
  }
}

/** Node has one list for TLS 1.2 and 1.3, and none of the part that is not in it. */
function ciphersOf(options: OpenvpnTlsOptions): { readonly ciphers?: string } {
  const { ciphers, suites, weakCertificates } = options
  if (ciphers === undefined && suites === undefined && !weakCertificates) return {}
  const parts = [suites ?? DEFAULT_SUITES, ciphers ?? 'DEFAULT']
  return { ciphers: [...parts, ...(weakCertificates ? ['@SECLEVEL=0'] : [])].join(':') }
}

/** OpenSSL's own. */
const DEFAULT_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

/** What OpenSSL says for a wrong password: with one try in 256 the padding fits, and the content does not. */
const PASSWORD_WRONG =
  /bad decrypt|password|mac verify|cancelled|asn1|wrong tag|too long|bad object header|decode|unsupported/i

/** The MAC tells a wrong password from a broken file. */
const PKCS12_LOCKED = /bad decrypt|password|mac verify|cancelled/i

/** Was it the password, or that there is none, why OpenSSL did not take the key (for this reason)? */
export function isKeyLocked(
  { key = '', pkcs12 }: Pick<OpenvpnTlsOptions, 'key' | 'pkcs12'>,
  reason: string,
): boolean {
  if (pkcs12 !== undefined) return PKCS12_LOCKED.test(reason)
  return /ENCRYPTED/.test(key) && PASSWORD_WRONG.test(reason)
}

interface Exporter {
  exportKeyingMaterial(length: number, label: string): Buffer
}

class NodeTlsEngine implements TlsEngine {
  readonly #handlers: TlsEngineHandlers
  readonly #records: Duplex
  readonly #socket: TLSSocket
  #ended = false

  constructor(
    options: OpenvpnTlsOptions,
    secureContext: SecureContext,
    handlers: TlsEngineHandlers,
  ) {
    this.#handlers = handlers
    this.#records = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        const bytes = Uint8Array.from(chunk)
        this.#later(() => handlers.onOutput(bytes))
        done()
      },
    })
    this.#socket = connect({
      socket: this.#records,
      secureContext,
      // Looked at below, where the certificate can be named; nothing of ours is sent before.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    this.#socket.once('secureConnect', () => this.#secured(options))
    this.#socket.on('data', (chunk: Buffer) => {
      const bytes = Uint8Array.from(chunk)
      this.#later(() => handlers.onPlaintext(bytes))
    })
    this.#socket.on('error', (error) => this.#end(tlsError(error)))
    this.#socket.on('close', () => {
      this.#end(new PvpnError('ERR_PROTOCOL', 'the server has ended TLS'))
    })
    const own = options.certificate === undefined ? undefined : ownExpiry(options.certificate)
    if (own !== undefined) this.#end(own)
  }

  input(bytes: Bytes): void {
    if (!this.#ended) this.#records.push(Buffer.from(bytes))
  }

  write(bytes: Bytes): void {
    if (!this.#ended) this.#socket.write(bytes)
  }

  exportKey(length: number, label: string): Bytes {
    // Without a context, which in TLS 1.2 is another thing than an empty one; the types ask for it.
    const { exportKeyingMaterial } = this.#socket as unknown as Exporter
    return exportKeyingMaterial.call(this.#socket, length, label)
  }

  close(): void {
    this.#ended = true
    this.#socket.destroy()
    this.#records.destroy()
  }

  #secured(options: OpenvpnTlsOptions): void {
    if (this.#ended) return
    const error = verifyPeer(this.#socket, options, Date.now())
    if (error === undefined) this.#later(() => this.#handlers.onSecure())
    else this.#end(error)
  }

  #end(error: PvpnError): void {
    this.#later(() => {
      this.close()
      this.#handlers.onError(error)
    })
  }

  /** Behind the caller's back, and in order: what Node does at once must not come back during a call. */
  #later(run: () => void): void {
    queueMicrotask(() => {
      if (!this.#ended) run()
    })
  }
}

/** An error when our own certificate has expired. */
export function ownExpiry(pem: string): PvpnError | undefined {
  try {
    const certificate = new X509Certificate(pem)
    const until = new Date(certificate.validTo)
    if (until.getTime() >= Date.now()) return undefined
    const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject
    return expiredError(`our own, ${name},`, until)
  } catch {
    return undefined
  }
}

/** What went wrong, in OpenSSL's words. */
function tlsError(error: Error): PvpnError {
  const reason = reasonOf(error)
  const certificate = /alert.*(certificate|unknown ca|access denied)|certificate.*alert/i.test(
    reason,
  )
  return certificate
    ? new PvpnError('ERR_AUTH', `the server refused our certificate: ${reason}`, {
        hint: 'ask for a new certificate, or check that file and server belong together',
      })
    : new PvpnError('ERR_PROTOCOL', `TLS failed: ${reason}`, {
        hint: 'check tls-version-min and the certificates on both sides',
      })
}

/** OpenSSL's words for an error. */
export function reasonOf(thrown: unknown): string {
  const { reason, message } = thrown as { reason?: unknown; message?: unknown }
  return typeof reason === 'string' ? reason : String(message ?? thrown).slice(0, 200)
}
