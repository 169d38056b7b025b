/** What a finished key exchange and the push make of the data channel: cipher, keys, framing. */
import type { OpenvpnOptions } from '../../core/options.js'
import type { Bytes, Random } from '../../core/types.js'
import { createDataCipher, type DataCipher, dataCipherName } from './data-cipher.js'
import { cipherNotOffered, compressionWanted, type Failure, noAddress, retry } from './failure.js'
import {
  DATA_KEYS_LABEL,
  dataKeys,
  KEY_MATERIAL_SIZE,
  type KeySource,
  prfMaterial,
} from './key-material.js'
import type { ServerKeyMessage } from './key-method.js'
import type { Negotiation } from './negotiation.js'
import type { PushedOptions } from './push-options.js'

/** A new secret of ours. */
export function newKeySource(random: Random): KeySource {
  const part = (size: number) => {
    const bytes = new Uint8Array(size)
    random(bytes)
    return bytes
  }
  return { preMaster: part(48), random1: part(32), random2: part(32) }
}

/** The cipher's name: pushed, else the server's own by its options string, else the configured fallback. */
export function chooseCipher(
  options: OpenvpnOptions,
  pushed: PushedOptions,
  serverOptions: string,
): { readonly name: string } | { readonly failure: Failure } {
  const { ciphers, fallbackCipher } = options
  const offered = fallbackCipher === undefined ? ciphers : [...ciphers, fallbackCipher]
  const told = /(?:^|,)cipher ([\w-]+)/.exec(serverOptions)?.[1]
  // The string says [null-cipher] and the like where the server negotiates.
  const wanted =
    pushed.cipher ?? (told !== undefined && isOffered(told, offered) ? told : undefined)
  const name = wanted ?? fallbackCipher ?? told ?? 'none'
  if (isOffered(name, offered) && dataCipherName(name) !== undefined) return { name }
  return { failure: { error: cipherNotOffered(name, ciphers), kind: 'refused' } }
}

function isOffered(name: string, offered: readonly string[]): boolean {
  return offered.some((own) => own.toUpperCase() === name.toUpperCase())
}

/** A push that can't be followed. */
export function unacceptable(pushed: PushedOptions): Failure | undefined {
  if (pushed.compression !== undefined) {
    return { error: compressionWanted(pushed.compression), kind: 'refused' }
  }
  if (pushed.ifconfig !== undefined || pushed.ifconfigIpv6 !== undefined) return undefined
  return retry(noAddress(pushed.leftOut.words))
}

export interface DeriveOptions {
  readonly options: OpenvpnOptions
  readonly cipher: string
  readonly pushed: PushedOptions
  readonly negotiation: Negotiation
  readonly server: ServerKeyMessage
  readonly sessionId: Bytes
  readonly peerSessionId: Bytes
  readonly random: Random
}

/** Undefined when the cipher is none of ours, or TLS has ended. */
export function deriveCipher(input: DeriveOptions): DataCipher | undefined {
  const { negotiation, pushed, server, random } = input
  const name = dataCipherName(input.cipher)
  const material = pushed.exporterKeys
    ? negotiation.exportKey(KEY_MATERIAL_SIZE, DATA_KEYS_LABEL)
    : prfMaterial({
        client: negotiation.source,
        server,
        clientSessionId: input.sessionId,
        serverSessionId: input.peerSessionId,
      })
  if (name === undefined || material === undefined) return undefined
  return createDataCipher({ name, digest: input.options.digest, keys: dataKeys(material), random })
}
