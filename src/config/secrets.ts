/**
 * Secrets: `x` in the clear, `x_file`, or `x_command`; those of a tunnel that are not written at all
 * may stand in systemd's credentials folder as ENV.x. They are collected while the file is read and
 * resolved afterwards, all at once. No message ever holds a secret, a command or its output.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { decodeText, isPrivate, othersCanRead, readBounded } from './files.js'
import { MAX_SECRET_BYTES, SECRET_COMMAND_MS } from './limits.js'
import type { Place } from './place.js'
import type { Report } from './reader.js'
import { about, type Fields, type Shape, type Spec, words } from './spec.js'

type SecretShape<N extends string> = {
  readonly [K in N | `${N}_file` | `${N}_command`]: Spec<string>
}

/** The three keys of a secret. */
export function secretFields<const N extends string>(name: N, what: string): SecretShape<N> {
  return {
    [name]: about(`${what}, in the clear: only in a file with mode 0600`, words('text')),
    [`${name}_file`]: about(`File that holds ${what}, relative to this file`, words('a path')),
    [`${name}_command`]: about(
      `Shell command that prints ${what}; run at start`,
      words('a command'),
    ),
  } as SecretShape<N>
}

/** One secret of the file. */
export interface Secret {
  /** The key that stands in the file. */
  readonly key: string
  readonly place: Place
  /** Known after `Secrets.resolve`; undefined when that failed (and was reported) or was put off. */
  text: string | undefined
  /** A command that was not run, as nobody asked for secrets. */
  deferred: boolean
}

/** Where the readers of sections get their secrets from. */
export type SecretSource = Pick<Secrets, 'take'>

interface Pending {
  readonly secret: Secret
  readonly owner: string
  readonly command: string
}

/** One newline at the end belongs to the file or the command, not to the secret. */
function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '')
}

export class Secrets {
  readonly #folder: string
  readonly #file: string
  readonly #mode: number
  readonly #report: Report
  readonly #credentials: string | undefined
  readonly #pending: Pending[] = []

  /**
   * `file` is the configuration as the user would type it, `mode` its permission bits, `credentials`
   * the folder that systemd made for this service.
   */
  constructor(folder: string, file: string, mode: number, report: Report, credentials?: string) {
    this.#folder = folder
    this.#file = file
    this.#mode = mode
    this.#report = report
    this.#credentials = credentials
  }

  /** For the tunnel of this environment: what the file does not say is looked for in the credentials folder. */
  of(environment: string): SecretSource {
    return {
      take: (fields, name, owner, credential = name) => {
        const written = this.take(fields, name, owner)
        if (written !== undefined || credential === null) return written
        return this.#credential(fields.place, `${environment}.${credential}`)
      },
    }
  }

  /**
   * The secret behind `name`, `name_file` or `name_command`; undefined when none was written. By
   * `owner` a caller of `runCommands` may choose. `credential` is its name in the credentials folder,
   * behind the environment's; null: it is never there.
   */
  take(
    fields: Fields<Shape>,
    name: string,
    owner: string,
    _credential?: string | null,
  ): Secret | undefined {
    const given = [name, `${name}_file`, `${name}_command`].filter((key) => fields.has(key))
    const [key] = given
    if (key === undefined) return undefined
    const place = fields.at(key)
    const secret: Secret = { key, place, text: undefined, deferred: false }
    const value = fields.values[key] as string | undefined
    if (given.length > 1) {
      this.#report.problem(place, `give only one of ${given.map((k) => `"${k}"`).join(' and ')}`)
    } else if (value === undefined) {
      return secret
    } else if (key === name) {
      this.#requirePrivate(place, name)
      secret.text = value
    } else if (key === `${name}_file`) {
      secret.text = this.#read(place, value)
    } else {
      secret.deferred = true
      this.#pending.push({ secret, owner, command: value })
    }
    return secret
  }

  #credential(place: Place, name: string): Secret | undefined {
    const folder = this.#credentials
    if (folder === undefined || !existsSync(join(folder, name))) return undefined
    const path = join(folder, name)
    const key = `$CREDENTIALS_DIRECTORY/${name}`
    return { key, place, text: this.#read(place, path, { told: key, path }), deferred: false }
  }

  #requirePrivate(place: Place, name: string): void {
    if (isPrivate(this.#mode)) return
    this.#report.problem(
      place,
      `"${name}" stands in the clear, and others may read this file: chmod 600 ${this.#file}, or use "${name}_file"`,
    )
  }

  /** `shown`: what messages call the file, and where it is. */
  #read(
    place: Place,
    path: string,
    shown = { told: path, path: join(dirname(this.#file), path) },
  ): string | undefined {
    const found = readBounded(resolve(this.#folder, path), MAX_SECRET_BYTES)
    const text = typeof found === 'string' ? undefined : decodeText(found.bytes)
    if (typeof found === 'string') this.#report.problem(place, `${shown.told} ${found}`)
    else if (text === undefined) this.#report.problem(place, `${shown.told} is not text`)
    else if (othersCanRead(found.mode)) {
      const remedy = `chmod 600 ${shown.path}`
      this.#report.warning(place, `others can read the secret in ${shown.told}: ${remedy}`)
    }
    return text === undefined ? undefined : withoutNewline(text)
  }

  /** Runs the commands (all at once) of this owner, or of all; other secrets stay put off. */
  async runCommands(owner?: string): Promise<void> {
    const wanted = this.#pending.filter((entry) => owner === undefined || entry.owner === owner)
    await Promise.all(
      wanted.map(async ({ secret, command }) => {
        const outcome = await runCommand(command, this.#folder)
        secret.deferred = false
        if ('text' in outcome) secret.text = outcome.text
        else this.#report.problem(secret.place, outcome.failure)
      }),
    )
  }
}

type Outcome = { readonly text: string } | { readonly failure: string }

/** Runs a command by /bin/sh, bounded in time and output; its standard error is thrown away, as it may hold secrets. */
function runCommand(command: string, cwd: string): Promise<Outcome> {
  return new Promise((done) => {
    const child = spawn('/bin/sh', ['-c', command], {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
      // A group of its own, so that what the shell started ends with it.
      detached: true,
    })
    const chunks: Buffer[] = []
    let size = 0
    let failure: string | undefined
    const kill = (why: string) => {
      failure ??= why
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Gone already.
      }
      child.stdout.destroy()
    }
    const timer = setTimeout(
      () => kill(`the command gave no answer within ${SECRET_COMMAND_MS / 1000} s`),
      SECRET_COMMAND_MS,
    )
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > MAX_SECRET_BYTES) kill(`the command printed more than ${MAX_SECRET_BYTES} bytes`)
      else chunks.push(chunk)
    })
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      done({ failure: `the command could not be started (${error.code ?? 'unknown error'})` })
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      if (failure === undefined && signal !== null) failure = `the command ended by ${signal}`
      if (failure === undefined && status !== 0)
        failure = `the command failed with status ${status}`
      const text = decodeText(Buffer.concat(chunks))
      if (failure === undefined && text === undefined) failure = 'the command did not print text'
      done(failure === undefined ? { text: withoutNewline(text ?? '') } : { failure })
    })
  })
}
