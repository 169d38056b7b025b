/** SSH's transport and its messages (RFC 4252 to 4254) by ssh2's protocol layer, which does no I/O of its own. */

import constants from 'ssh2/lib/protocol/constants.js'
import ciphers from 'ssh2/lib/protocol/crypto.js'
import Protocol, { type MessageHandlers } from 'ssh2/lib/protocol/Protocol.js'
import type { SshAlgorithmChoice } from '../core/ssh-algorithms.js'
import { SSH_ALGORITHMS } from '../core/ssh-algorithms.js'

export type { MessageHandlers, Protocol as SshProtocol }

export interface SshProtocolOptions {
  readonly algorithms: SshAlgorithmChoice
  readonly onWrite: (bytes: Buffer) => void
  readonly onError: (error: Error) => void
  /** The server has named itself. */
  readonly onHeader: () => void
  /** Keys were exchanged; again after each time that they are changed. */
  readonly onKeys: () => void
  /** False ends the connection. */
  readonly hostKey: (key: Buffer) => boolean
  readonly handlers: MessageHandlers
}

/** The identification that servers log; no version, as it is nobody's business. */
const IDENT = 'pvpn'

/** Resolves once its ciphers may be used. */
export async function createSshProtocol(options: SshProtocolOptions): Promise<Protocol> {
  await ciphers.init
  const { algorithms } = options
  const pick = (kind: keyof typeof SSH_ALGORITHMS, supported: readonly string[]) =>
    (algorithms[kind] ?? SSH_ALGORITHMS[kind]).filter((name) => supported.includes(name))
  const way = {
    cipher: pick('cipher', constants.SUPPORTED_CIPHER),
    mac: pick('mac', constants.SUPPORTED_MAC),
    compress: ['none'],
    lang: [],
  }
  return new Protocol({
    ident: IDENT,
    offer: {
      kex: pick('kex', constants.SUPPORTED_KEX),
      serverHostKey: pick('hostKey', constants.SUPPORTED_SERVER_HOST_KEY),
      cs: way,
      sc: way,
    },
    onWrite: options.onWrite,
    onError: options.onError,
    onHeader: options.onHeader,
    onHandshakeComplete: options.onKeys,
    hostVerifier: options.hostKey,
    messageHandlers: options.handlers,
  })
}

/** Are keys being exchanged? What is sent meanwhile waits inside of the protocol. */
export function exchangesKeys(protocol: Protocol): boolean {
  return protocol._kexinit !== undefined
}
