/**
 * What one connection agrees on with the server inside TLS: key messages, the push, and keys for the
 * data channel, at first and in each renegotiation.
 */
import type { Millis } from '../../core/types.js'
import type { PendingLogin } from './challenge.js'
import type { ConnectionOptions } from './connection.js'
import type { ControlChannel } from './control-channel.js'
import type { DataChannel } from './data-channel.js'
import type { Failure } from './failure.js'
import { DYNAMIC_TLS_CRYPT_LABEL, KEY_MATERIAL_SIZE } from './key-material.js'
import { encodeKeyMessage, type ServerItem, type ServerKeyMessage } from './key-method.js'
import { Liveness } from './liveness.js'
import type { Negotiation } from './negotiation.js'
import { optionsString, peerInfo } from './peer-info.js'
import type { Phases } from './phases.js'
import { PushIntake } from './push-intake.js'
import type { PushedOptions } from './push-options.js'
import type { RekeySchedule } from './rekey-schedule.js'
import { readControlMessage } from './server-message.js'
import { chooseCipher, deriveCipher } from './session-keys.js'
import { PUSH_REQUEST_FIRST, PUSH_REQUEST_INTERVAL } from './timing.js'

/** The connection's other parts, which an agreement changes. */
export interface AgreementParts {
  readonly control: ControlChannel
  readonly data: DataChannel
  readonly phases: Phases
  readonly rekey: RekeySchedule
  /** Has the connection ended? */
  over(): boolean
  end(failure: Failure): void
  /** Ends it: the server does what OpenVPN does not. */
  broken(what: string): void
}

const NEVER = Number.POSITIVE_INFINITY

export class Agreement {
  readonly #connection: ConnectionOptions
  readonly #p: AgreementParts
  readonly #intake: PushIntake
  readonly liveness: Liveness
  #cipher = ''
  #server: ServerKeyMessage | undefined
  /** What the first key message said; renegotiations say it again, unless there is a token. */
  #login: { readonly username: string; readonly password: string } | undefined
  /** When the push is asked for next. */
  askAt: Millis = NEVER
  /** When keys were last agreed. */
  lastKeys: Millis | undefined

  constructor(connection: ConnectionOptions, parts: AgreementParts) {
    this.#connection = connection
    this.#p = parts
    this.#intake = new PushIntake(connection.options, connection.credentials)
    this.liveness = new Liveness(parts.data, this.pushed)
  }

  get pushed(): PushedOptions {
    return this.#intake.pushed
  }

  get #up(): boolean {
    return this.#p.phases.current === 'up'
  }

  /** TLS is there: our half of the key exchange. */
  sendKeyMessage(negotiation: Negotiation): void {
    const { options, transport, credentials, mostMtu } = this.#connection
    if (this.#login === undefined || credentials.hasToken) this.#login = credentials.take()
    negotiation.write(
      encodeKeyMessage({
        source: negotiation.source,
        options: optionsString(options, transport),
        ...this.#login,
        peerInfo: peerInfo(options, mostMtu),
      }),
    )
  }

  /** Takes what the server has said inside TLS. */
  items(negotiation: Negotiation, now: Millis): void {
    for (let item = negotiation.takeItem(); item; item = negotiation.takeItem()) {
      this.#item(negotiation, item, now)
      if (this.#p.over()) return
    }
    if (negotiation.broken) this.#p.broken('what it says inside TLS is not OpenVPN')
  }

  #item(negotiation: Negotiation, item: ServerItem, now: Millis): void {
    if (item.kind === 'message') {
      readControlMessage(item.text, this.#messageHandler(now))
      return
    }
    negotiation.keyedAt = now
    this.lastKeys = now
    this.#connection.counters.handshakes.completed++
    if (negotiation === this.#p.control.next) {
      this.#install(negotiation, item.message, now)
      this.#p.control.promote()
      this.#p.rekey.agreed(now, this.pushed.renegotiate)
    } else if (!this.#up) {
      this.#server = item.message
      this.#p.phases.enter('push', now)
      // Servers from 2.6 on push unasked.
      this.askAt = now + PUSH_REQUEST_FIRST
    }
  }

  #messageHandler(now: Millis) {
    const { credentials, remote, host, options } = this.#connection
    return {
      push: (text: string, more: boolean) => this.#push(text, more, now),
      pending: (time: Millis) => this.#p.phases.extend(now + time),
      login: (wanted: PendingLogin) => {
        if (this.#up) return
        this.#p.phases.login = true
        this.#connection.onLogin(wanted)
      },
      ended: (failure: Failure) => this.#p.end(failure),
      credentials,
      remote,
      host,
      up: this.#up,
      ciphers: options.ciphers,
    }
  }

  #push(text: string, more: boolean, now: Millis): void {
    const outcome = this.#intake.take(text, more)
    if (outcome === 'done') this.#complete(now)
    else if (outcome === 'endless') this.#p.broken('it pushes too many options')
    else if (outcome !== 'more') this.#p.end(outcome)
  }

  /** Keys and push are there. */
  #complete(now: Millis): void {
    const server = this.#server
    const choice = chooseCipher(this.#connection.options, this.pushed, server?.options ?? '')
    if ('failure' in choice) this.#p.end(choice.failure)
    else if (server === undefined) this.#p.broken('it pushes before there are keys')
    else {
      this.#cipher = choice.name
      this.#install(this.#p.control.current, server, now)
      if (this.pushed.dynamicTlsCrypt) this.#wrapLater()
      this.#p.phases.enter('up', now)
      this.askAt = NEVER
      this.liveness.begin(now)
      this.#p.rekey.agreed(now, this.pushed.renegotiate)
    }
  }

  #install(negotiation: Negotiation, server: ServerKeyMessage, now: Millis): void {
    const { options, random } = this.#connection
    const peerSessionId = this.#p.control.peerSessionId
    const { pushed } = this
    if (peerSessionId === undefined) return
    const cipher = deriveCipher({
      options,
      cipher: this.#cipher,
      pushed,
      negotiation,
      server,
      sessionId: this.#p.control.sessionId,
      peerSessionId,
      random,
    })
    if (cipher === undefined) this.#p.broken('TLS has ended while keys were made')
    else {
      const { peerId, stub } = pushed
      this.#p.data.install({ keyId: negotiation.keyId, cipher, peerId, stub }, now)
    }
  }

  #wrapLater(): void {
    const { current } = this.#p.control
    const exported = current.exportKey(KEY_MATERIAL_SIZE, DYNAMIC_TLS_CRYPT_LABEL)
    if (exported !== undefined) this.#p.control.wrapLater(exported)
  }

  /** To be called at `askAt`. */
  askForPush(now: Millis): void {
    this.#p.control.current.write(new TextEncoder().encode('PUSH_REQUEST\0'))
    this.askAt = now + PUSH_REQUEST_INTERVAL
  }
}
