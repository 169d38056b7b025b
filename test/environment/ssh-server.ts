/** ssh2's own server on loopback as the far side: what it does is the test's to say. */
import { generateKeyPairSync } from 'node:crypto'
import { type AddressInfo, connect } from 'node:net'
import ssh2, { type Connection, type ServerChannel } from 'ssh2'
import type { Test } from 'tap'
import type { SshHopOptions, SshOptions } from '../../src/core/options.js'

const { Server, utils } = ssh2

export interface Pair {
  readonly private: string
  /** `ssh-ed25519 AAAA…` */
  readonly public: string
}

export function keyPair(type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519', passphrase?: string): Pair {
  const locked = passphrase === undefined ? {} : { passphrase, cipher: 'aes256-ctr' }
  const bits = type === 'rsa' ? { bits: 2048 } : type === 'ecdsa' ? { bits: 256 } : {}
  // One in 256 of its Ed25519 keys lacks a byte, and nothing reads it.
  for (;;) {
    const pair = utils.generateKeyPairSync(type as 'ed25519', { ...bits, ...locked } as object)
    if (utils.parseKey(pair.private, passphrase) instanceof Error) continue
    return { private: pair.private, public: pair.public.trim() }
  }
}

/** A key as OpenSSL writes it, PKCS#8 or PKCS#1 in PEM. */
export function pemKey(passphrase: string): { readonly private: string; readonly public: string } {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase },
  })
  const parsed = utils.parseKey(privateKey, passphrase)
  if (parsed instanceof Error) throw parsed
  const blob = parsed.getPublicSSH().toString('base64')
  return { private: privateKey, public: `ssh-rsa ${blob}` }
}

export interface TestServer {
  readonly port: number
  /** The line for known_hosts, first key. */
  readonly known: string
  /** Logins that were tried, as `method` or `method:detail`. */
  readonly tried: string[]
  readonly clients: Connection[]
}

export interface ServerOptions {
  readonly hostKeys?: readonly Pair[]
  /** Public keys that log in. */
  readonly keys?: readonly string[]
  readonly password?: string
  /** Answer to the hidden question of keyboard-interactive. */
  readonly keyboard?: { readonly prompts: readonly string[]; readonly answer: string }
  /** What is asked after the keyboard's right answer: the code of the moment. */
  readonly code?: () => string
  /** Methods that are offered; default: what is given above. */
  readonly methods?: readonly string[]
  /** Connects where it is asked to; default: with node:net. */
  readonly onTcpip?: (accept: () => ServerChannel, reject: () => void, port: number) => void
  readonly onForward?: (port: number) => boolean
}

export async function startSsh(t: Test, options: ServerOptions = {}): Promise<TestServer> {
  const { hostKeys = [keyPair()], keys = [], password, keyboard } = options
  const tried: string[] = []
  const clients: Connection[] = []
  const methods = options.methods ?? [
    ...(keys.length > 0 ? ['publickey'] : []),
    ...(keyboard === undefined ? [] : ['keyboard-interactive']),
    ...(password === undefined ? [] : ['password']),
  ]
  const server = new Server({ hostKeys: hostKeys.map((key) => key.private) }, (client) => {
    clients.push(client)
    client.on('error', () => {})
    client.on('authentication', (ctx) => {
      const refuse = () => ctx.reject(methods as never)
      if (ctx.method === 'publickey') {
        const line = `${ctx.key.algo} ${ctx.key.data.toString('base64')}`
        const known = keys.some((key) => key.split(' ')[1] === line.split(' ')[1])
        const algorithm = ctx.hashAlgo === undefined ? ctx.key.algo : `rsa-${ctx.hashAlgo}`
        tried.push(`publickey:${algorithm}:${ctx.signature === undefined ? 'asked' : 'signed'}`)
        if (known) ctx.accept()
        else refuse()
      } else if (ctx.method === 'password') {
        tried.push(`password:${ctx.password}`)
        if (ctx.password === password) ctx.accept()
        else refuse()
      } else if (ctx.method === 'keyboard-interactive' && keyboard !== undefined) {
        const prompts = keyboard.prompts.map((prompt) => ({ prompt, echo: false }))
        ctx.prompt(prompts, (answers) => {
          tried.push(`keyboard:${answers.join()}`)
          if (answers[0] !== keyboard.answer) refuse()
          else if (options.code === undefined) ctx.accept()
          else
            ctx.prompt([{ prompt: 'Verification code: ', echo: true }], ([code]) => {
              tried.push(`code:${code}`)
              if (code === options.code?.()) ctx.accept()
              else refuse()
            })
        })
      } else {
        tried.push(ctx.method)
        refuse()
      }
    })
    client.on('tcpip', (accept, reject, info) => {
      if (options.onTcpip !== undefined) {
        options.onTcpip(accept, reject, info.destPort)
        return
      }
      const socket = connect({ host: info.destIP, port: info.destPort, allowHalfOpen: true })
      socket.on('error', () => reject())
      socket.on('connect', () => {
        const channel = accept()
        channel.on('error', () => {})
        socket.on('data', (b: Buffer) => {
          if (!channel.write(b)) {
            socket.pause()
            channel.once('drain', () => socket.resume())
          }
        })
        socket.on('end', () => channel.end())
        channel.on('data', (b: Buffer) => socket.write(b))
        channel.on('end', () => socket.end())
      })
    })
    client.on('request', (accept, reject, name, info) => {
      const port = 'bindPort' in info ? info.bindPort : 0
      if (name === 'tcpip-forward' && options.onForward?.(port) === true) accept?.()
      else reject?.()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const client of clients) client.end()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, known: `[127.0.0.1]:${port} ${hostKeys[0]?.public}`, tried, clients }
}

export const HOP: Omit<SshHopOptions, 'port' | 'knownHosts'> = {
  host: '127.0.0.1',
  username: 'ann',
  keys: [],
  algorithms: {},
  aliveInterval: 15,
  aliveCount: 3,
}

export function sshOptions(
  hop: Partial<SshHopOptions> & Pick<SshHopOptions, 'port' | 'knownHosts'>,
): SshOptions {
  return { type: 'ssh', hops: [{ ...HOP, ...hop }] }
}
