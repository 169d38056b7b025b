/** Says the steps of a login to the server: who signs, and with which algorithm. */
import { PvpnError, toPvpnError } from '../core/errors.js'
import { askFor } from '../core/question.js'
import type { SshKey } from '../io/ssh-keys.js'
import type { SshProtocol } from '../io/ssh-protocol.js'
import {
  Authentication,
  type KeyboardPrompt,
  type LoginStep,
} from '../tunnel/ssh/authentication.js'
import type { SshAnswers } from './ssh-answers.js'

export interface SshLoginOptions {
  readonly protocol: SshProtocol
  readonly username: string
  readonly answers: SshAnswers
  readonly keys: readonly SshKey[]
  /** The server, for messages. */
  readonly where: string
  readonly onFailed: (error: PvpnError) => void
}

export class SshLogin {
  begun = false
  readonly #o: SshLoginOptions
  readonly #machine: Authentication
  #algorithms: readonly string[] | undefined
  #key:
    | { readonly key: SshKey; readonly algorithm: string; readonly hash: string | undefined }
    | undefined

  constructor(options: SshLoginOptions) {
    this.#o = options
    this.#machine = new Authentication({
      keys: options.keys.map(({ name }) => name),
      password: options.answers.password !== undefined,
    })
    options.answers.begin()
  }

  /** `server-sig-algs` (RFC 8308): what the server checks signatures with. */
  signatureAlgorithms(algorithms: readonly string[]): void {
    this.#algorithms ??= algorithms
  }

  begin(): void {
    if (this.begun) return
    this.begun = true
    this.#take(this.#machine.first())
  }

  refused(methods: readonly string[], partial: boolean): void {
    if (this.begun) this.#take(this.#machine.refused(methods, partial))
  }

  /** The server would take a signature by the key that was shown to it. */
  keyAccepted(): void {
    const shown = this.#key
    this.#key = undefined
    if (shown === undefined) return
    const { key, algorithm, hash } = shown
    const { protocol, username } = this.#o
    protocol.authPK(username, key.parsed, algorithm, (data, done) => {
      key.sign(data, hash).then(done, (thrown: unknown) => {
        // An agent that was told not to: the next one may be the right one.
        if (key.parsed.isPrivateKey()) this.#o.onFailed(toPvpnError(thrown))
        else
          this.#take(
            this.#machine.refused(['publickey', 'keyboard-interactive', 'password'], false),
          )
      })
    })
  }

  asked(prompts: readonly KeyboardPrompt[]): void {
    const { answers: said } = this.#o
    const answers = this.#machine.answers(prompts, said.password, (all) => said.take(all))
    if (answers === undefined) this.#failed(this.#machine.failure, false)
    else this.#o.protocol.authInfoRes(answers)
  }

  passwordExpired(): void {
    this.#failed('the password has expired: change it by logging in with ssh')
  }

  /** The server has ended the login with these words. */
  ended(words: string): void {
    this.#failed(`the server has ended the login (${words}): ${this.#machine.failure}`)
  }

  #take(step: LoginStep): void {
    const { protocol, username, answers, keys } = this.#o
    switch (step.kind) {
      case 'none':
        protocol.authNone(username)
        break
      case 'key': {
        const key = keys[step.key]
        if (key === undefined) break
        const { algorithm, hash } = this.#signature(key.parsed.type)
        this.#key = { key, algorithm, hash }
        protocol.authPK(username, key.parsed, algorithm)
        break
      }
      case 'keyboard':
        protocol.authKeyboard(username)
        break
      case 'password':
        protocol.authPassword(username, answers.password ?? '')
        break
      case 'failed':
        this.#failed(step.why)
        break
      default:
        step satisfies never
    }
  }

  /** RSA keys sign with SHA-2 (RFC 8332), never with SHA-1. */
  #signature(type: string): { readonly algorithm: string; readonly hash: string | undefined } {
    if (type !== 'ssh-rsa') return { algorithm: type, hash: undefined }
    const long = this.#algorithms?.includes('rsa-sha2-512') === true
    return long
      ? { algorithm: 'rsa-sha2-512', hash: 'sha512' }
      : { algorithm: 'rsa-sha2-256', hash: 'sha256' }
  }

  /** `refused`: the server has seen, and not taken, what there was. */
  #failed(why: string, refused = true): void {
    const { where, username, onFailed, answers } = this.#o
    const text = `auth failed: ${username}@${where}: ${why}`
    const { wanted, passwordGiven } = this.#machine
    const asks = answers.asks(wanted, refused, passwordGiven)
    answers.over()
    if (asks !== undefined) {
      onFailed(askFor(answers.who, asks, text))
      return
    }
    onFailed(
      new PvpnError('ERR_AUTH', text, {
        hint: 'check user name, key and password in the configuration',
      }),
    )
  }
}
