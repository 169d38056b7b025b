/**
 * Loads the optional addon, once, when it is first wanted. Without it (not built, not loadable,
 * `PVPN_ACCEL=off`) everything works by the TypeScript twins, slower.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type {
  Accel,
  AccelChannel,
  AccelChecksums,
  AccelCipher,
  AccelFramed,
  AccelMemory,
  AccelOwner,
  AccelStreams,
  AccelTun,
  AccelUdp,
} from './contract.js'

type Exports = Pick<Accel, 'checksum' | 'noCoreFiles'> &
  Partial<
    AccelCipher &
      AccelChecksums &
      AccelFramed &
      AccelUdp &
      AccelTun &
      AccelStreams &
      AccelChannel &
      AccelOwner &
      AccelMemory
  >

/** Where scripts/build-native.js puts it; PVPN_ACCEL may name another file (the sanitizers' build). */
const BUILT = fileURLToPath(new URL('../../native/accel.node', import.meta.url))

let loaded: { readonly accel: Accel | undefined; readonly problem: string | undefined } | undefined

/** The addon, or undefined: use the twin. */
export function accel(): Accel | undefined {
  loaded ??= load()
  return loaded.accel
}

/** Why there is no addon, for one line of log; undefined when there is one or it was switched off. */
export function accelProblem(): string | undefined {
  loaded ??= load()
  return loaded.problem
}

/** No core files, which would hold keys, of this process and those it starts. False: they can't be kept off here. */
export function suppressCoreFiles(): boolean {
  return accel()?.noCoreFiles?.() ?? false
}

function load(): NonNullable<typeof loaded> {
  const wanted = process.env.PVPN_ACCEL ?? ''
  if (wanted === 'off') return { accel: undefined, problem: undefined }
  const file = wanted.endsWith('.node') ? wanted : BUILT
  if (!existsSync(file)) {
    return { accel: undefined, problem: 'native addon not built; slower TypeScript twins are used' }
  }
  try {
    return { accel: features(createRequire(import.meta.url)(file) as Exports), problem: undefined }
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return {
      accel: undefined,
      problem: `native addon not loaded (${reason}); slower TypeScript twins are used`,
    }
  }
}

/** The addon leaves out what the process it runs in can't carry. */
function features(exports: Exports): Accel {
  return {
    checksum: exports.checksum,
    noCoreFiles: exports.noCoreFiles,
    checksums: exports.checksumSum === undefined ? undefined : (exports as AccelChecksums),
    memory: exports.releaseMemory === undefined ? undefined : (exports as AccelMemory),
    cipher: exports.cipherNew === undefined ? undefined : (exports as AccelCipher),
    framed: exports.framedNew === undefined ? undefined : (exports as AccelFramed),
    udp: exports.udpOpen === undefined ? undefined : (exports as AccelUdp),
    tun: exports.tunOpen === undefined ? undefined : (exports as AccelTun),
    streams: exports.hubOpen === undefined ? undefined : (exports as AccelStreams),
    channel: exports.channelOpen === undefined ? undefined : (exports as AccelChannel),
    owner: exports.socketOwner === undefined ? undefined : (exports as AccelOwner),
  }
}
