/** Keys by Debian's wireguard-tools: independent of our own code. */
import { spawnSync } from 'node:child_process'

/** In base64. */
export interface KeyPair {
  readonly private: string
  readonly public: string
}

export function keyPair(): KeyPair {
  const key = wg(['genkey'])
  return { private: key, public: wg(['pubkey'], key) }
}

/** Output of `wg` with these arguments, trimmed; throws with its words. */
export function wg(args: readonly string[], input = ''): string {
  const { stdout, status, stderr } = spawnSync('wg', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`wg ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}
