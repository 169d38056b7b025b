/** Private keys of SSH: from files, and behind an agent (draft-ietf-sshm-ssh-agent). */
import { createHash } from 'node:crypto'
import agents, { type OpenSSHAgent } from 'ssh2/lib/agent.js'
import keyParser, { type ParsedSshKey } from 'ssh2/lib/protocol/keyParser.js'
import { PvpnError } from '../core/errors.js'
import type { SshKeyOptions } from '../core/options.js'

export interface SshKey {
  /** For messages: file or comment. */
  readonly name: string
  readonly parsed: ParsedSshKey
  /** `hash` is for RSA. */
  sign(data: Buffer, hash: string | undefined): Promise<Buffer>
}

/** `SHA256:…` as ssh-keygen -l prints it. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** Throws ERR_AUTH for a key that can't be used: no key, or a wrong password. */
export function fileKey({ file, text, password }: SshKeyOptions): SshKey {
  const result = keyParser.parseKey(text, password)
  const parsed = Array.isArray(result) ? result[0] : result
  if (parsed === undefined || parsed instanceof Error || !parsed.isPrivateKey()) {
    const why = parsed instanceof Error ? parsed.message : 'it is no private key'
    const locked = /passphrase|integrity|decrypt/i.test(why)
    throw new PvpnError(
      'ERR_AUTH',
      locked
        ? `auth failed: key_password does not open the key ${file}`
        : `auth failed: the key ${file} can not be read (${why})`,
      { hint: 'ssh-keygen -y -f FILE tells whether key and password fit' },
    )
  }
  return {
    name: file,
    parsed,
    sign: async (data, hash) => {
      const signature = parsed.sign(data, hash)
      if (signature instanceof Error) {
        throw new PvpnError('ERR_AUTH', `auth failed: ${file} does not sign: ${signature.message}`)
      }
      return signature
    },
  }
}

/** The keys that an agent has; rejects with ERR_AUTH when it does not answer. */
export function agentKeys(path: string): Promise<readonly SshKey[]> {
  const agent = new agents.OpenSSHAgent(path)
  return new Promise((resolve, reject) => {
    agent.getIdentities((error, keys = []) => {
      if (error !== null && error !== undefined) {
        reject(new PvpnError('ERR_AUTH', `auth failed: no SSH agent answers at ${path}`))
      } else {
        resolve(keys.map((key) => agentKey(agent, key)))
      }
    })
  })
}

function agentKey(agent: OpenSSHAgent, parsed: ParsedSshKey): SshKey {
  const name = `${parsed.comment || parsed.type} (agent)`
  return {
    name,
    parsed,
    sign: (data, hash) =>
      new Promise((resolve, reject) => {
        agent.sign(parsed, data, hash === undefined ? {} : { hash }, (error, signature) => {
          if (signature !== undefined) resolve(signature)
          else reject(new PvpnError('ERR_AUTH', `the agent does not sign with ${name}: ${error}`))
        })
      }),
  }
}

/** The blob of a public key's line (`id.pub`); undefined for what is none. */
export function publicBlob(line: string): Buffer | undefined {
  const result = keyParser.parseKey(line.trim())
  const parsed = Array.isArray(result) ? result[0] : result
  return parsed === undefined || parsed instanceof Error ? undefined : parsed.getPublicSSH()
}
