/** TLS from the client's side above any stream, with the certificate's check in words. */
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls'
import { PvpnError } from '../core/errors.js'
import { parseIp } from '../core/ip.js'
import type { ByteStream } from '../core/stream.js'
import { duplexStream } from './socket-stream.js'
import { StreamDuplex } from './stream-duplex.js'
import { chainError } from './tls-verify.js'

export interface TlsStreamOptions {
  /** Who the certificate must name. */
  readonly serverName: string
  /** Authorities, PEM; absent: the ones that Node trusts. */
  readonly ca?: string
  readonly signal?: AbortSignal
}

/** Rejects with ERR_AUTH for a certificate that is not the server's, ERR_CONFIG for what is no TLS. */
export function tlsStream(below: ByteStream, options: TlsStreamOptions): Promise<ByteStream> {
  const { serverName, ca, signal } = options
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: new StreamDuplex(below),
      minVersion: 'TLSv1.2',
      // Looked at below, as Node's own check has no words for people.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(parseIp(serverName) === undefined ? { servername: serverName } : {}),
      ...(ca === undefined ? {} : { ca }),
    })
    socket.allowHalfOpen = true
    const settle = () => {
      signal?.removeEventListener('abort', aborted)
      socket.removeListener('error', failed)
    }
    const giveUp = (error: PvpnError) => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      below.abort()
      reject(error)
    }
    const aborted = () => giveUp(new PvpnError('ERR_ABORTED', 'given up'))
    const failed = (error: NodeJS.ErrnoException) => giveUp(tlsError(error, serverName))
    socket.on('error', failed)
    signal?.addEventListener('abort', aborted)
    if (signal?.aborted === true) aborted()
    socket.on('secureConnect', () => {
      const refusal = verify(socket, serverName)
      if (refusal !== undefined) {
        giveUp(refusal)
        return
      }
      settle()
      resolve(duplexStream(socket, { local: below.local, remote: below.remote }))
    })
  })
}

function verify(socket: TLSSocket, serverName: string): PvpnError | undefined {
  const certificate = socket.getPeerCertificate(true)
  const chain = chainError(socket, certificate, Date.now())
  if (chain !== undefined) return chain
  if (checkServerIdentity(serverName, certificate) === undefined) return undefined
  return new PvpnError('ERR_AUTH', `the certificate of the server is not for ${serverName}`, {
    hint: 'set server_name to the name that stands in the certificate, if that is the right server',
  })
}

function tlsError(error: NodeJS.ErrnoException, serverName: string): PvpnError {
  const code = error.code ?? 'TLS failed'
  if (!code.startsWith('ERR_SSL')) {
    return new PvpnError('ERR_DOWN', `server unreachable: ${serverName} ended the TLS handshake`, {
      cause: error,
      hint: 'check the address and the port, and that it speaks TLS there',
    })
  }
  return new PvpnError('ERR_CONFIG', `no TLS with ${serverName} (${code})`, {
    cause: error,
    hint: 'check the port, and whether it speaks TLS there (tls: true)',
  })
}
