/** Reads one HTTP/1.1 answer (RFC 9112) from a stream, in whatever pieces it comes. */
import type { Bytes } from '../../core/types.js'
import { parseHttpField } from '../../wire/http-field.js'
import { OC_BODY_BYTES, OC_HEAD_BYTES, OC_HEAD_LINES, OC_INTERIM } from './limits.js'

export interface HttpAnswer {
  readonly status: number
  readonly reason: string
  /** Names in lower case, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Bytes
  /** The server ends the connection after it. */
  readonly closes: boolean
  /** What came behind it. */
  readonly rest: Bytes
}

export type AnswerStep =
  | { readonly kind: 'more' }
  | { readonly kind: 'done'; readonly answer: HttpAnswer }
  | { readonly kind: 'broken'; readonly why: string }

interface Head {
  readonly status: number
  readonly reason: string
  readonly fields: readonly (readonly [string, string])[]
  readonly bodyAt: number
}

const LF = 10
const CR = 13
const MORE: AnswerStep = { kind: 'more' }
const latin1 = new TextDecoder('latin1')

export class HttpAnswerReader {
  readonly #tunnel: boolean
  #bytes: Bytes = new Uint8Array(0)
  #have = 0
  /** Where the look for the head's end goes on. */
  #at = 0
  #lines = 0
  #lineEmpty = false
  #head: Head | undefined
  #interim = 0
  readonly #chunks = new Chunks()

  /** `tunnel`: an answer to CONNECT, which has no body, or none worth waiting for. */
  constructor(tunnel: boolean) {
    this.#tunnel = tunnel
  }

  push(chunk: Bytes): AnswerStep {
    this.#append(chunk)
    return this.#look(false)
  }

  /** The server has closed the connection: an answer without a length ends so. */
  end(): AnswerStep {
    const step = this.#look(true)
    return step.kind === 'more' ? { kind: 'broken', why: 'an answer that is cut off' } : step
  }

  #append(chunk: Bytes): void {
    if (this.#bytes.length - this.#have < chunk.length) {
      const bytes = new Uint8Array(
        Math.max(2 * this.#bytes.length, this.#have + chunk.length, 4096),
      )
      bytes.set(this.#bytes.subarray(0, this.#have))
      this.#bytes = bytes
    }
    this.#bytes.set(chunk, this.#have)
    this.#have += chunk.length
  }

  #look(ended: boolean): AnswerStep {
    let head = this.#head
    while (head === undefined) {
      const end = this.#headEnd()
      if (end === 'broken') return { kind: 'broken', why: 'an endless head of an answer' }
      if (end === undefined) return MORE
      head = parseHead(latin1.decode(this.#bytes.subarray(0, end)), end)
      if (head === undefined) return { kind: 'broken', why: 'no answer of HTTP' }
      if (head.status !== 100) break
      if (++this.#interim > OC_INTERIM)
        return { kind: 'broken', why: 'interim answers without end' }
      this.#forget(head.bodyAt)
      head = undefined
    }
    this.#head = head
    return this.#body(head, ended)
  }

  /** Behind the empty line; each byte is looked at once. */
  #headEnd(): number | 'broken' | undefined {
    const bytes = this.#bytes
    const most = Math.min(this.#have, OC_HEAD_BYTES)
    while (this.#at < most) {
      const byte = bytes[this.#at++]
      if (byte === LF) {
        if (this.#lineEmpty) return this.#at
        if (++this.#lines > OC_HEAD_LINES) return 'broken'
        this.#lineEmpty = true
      } else if (byte !== CR) this.#lineEmpty = false
    }
    return this.#have >= OC_HEAD_BYTES ? 'broken' : undefined
  }

  #body(head: Head, ended: boolean): AnswerStep {
    const value = (name: string) => head.fields.find(([key]) => key === name)?.[1]
    const all = this.#bytes.subarray(head.bodyAt, this.#have)
    const done = (body: Bytes, used: number, closes = false): AnswerStep => ({
      kind: 'done',
      answer: {
        status: head.status,
        reason: head.reason,
        fields: head.fields,
        body: body.slice(),
        closes: closes || /\bclose\b/i.test(value('connection') ?? ''),
        rest: all.slice(used),
      },
    })
    if (this.#tunnel || head.status === 204 || head.status === 304) {
      return done(new Uint8Array(0), 0)
    }
    if (/\bchunked\b/i.test(value('transfer-encoding') ?? '')) {
      const found = this.#chunks.follow(all)
      if (found === 'broken') return { kind: 'broken', why: 'a body in chunks that are none' }
      if (found !== undefined) return done(found.body, found.used)
    } else {
      const length = value('content-length')
      if (length !== undefined) {
        if (!/^[0-9]{1,15}$/.test(length)) return { kind: 'broken', why: 'a bad Content-Length' }
        const size = Number(length)
        if (size > OC_BODY_BYTES) return { kind: 'broken', why: 'a body that is too long' }
        if (all.length >= size) return done(all.subarray(0, size), size)
      } else if (ended) return done(all, all.length, true)
    }
    return all.length > OC_BODY_BYTES ? { kind: 'broken', why: 'a body that is too long' } : MORE
  }

  /** An interim answer is over. */
  #forget(size: number): void {
    this.#bytes = this.#bytes.slice(size, this.#have)
    this.#have = this.#bytes.length
    this.#at = 0
    this.#lines = 0
    this.#lineEmpty = false
  }
}

function parseHead(text: string, bodyAt: number): Head | undefined {
  const lines = text.split(/\r?\n/)
  const first = /^HTTP\/1\.[01] ([1-5]\d\d)(?: (.*))?$/.exec(lines[0] ?? '')
  if (first === null) return undefined
  const fields: [string, string][] = []
  for (const line of lines.slice(1)) {
    if (line === '') continue
    const field = parseHttpField(line)
    if (field === undefined) return undefined
    fields.push([field[0].toLowerCase(), field[1]])
  }
  return { status: Number(first[1]), reason: first[2] ?? '', fields, bodyAt }
}

/** Bytes of a line between chunks, and of the trailer section, that are waited for. */
const MOST_BETWEEN = 1024

/** Follows a chunked body (RFC 9112 section 7.1); each chunk is looked at once. */
class Chunks {
  readonly #pieces: Bytes[] = []
  #at = 0
  #trailerAt: number | undefined

  /** `all`: everything behind the head, which has grown since the last call. Undefined: not whole yet. */
  follow(all: Bytes): { readonly body: Bytes; readonly used: number } | 'broken' | undefined {
    while (this.#trailerAt === undefined) {
      const end = all.indexOf(LF, this.#at)
      if (end < 0) return all.length - this.#at > MOST_BETWEEN ? 'broken' : undefined
      const line = latin1.decode(all.subarray(this.#at, end))
      const digits = /^([0-9a-fA-F]{1,6})[ \t]*(?:;.*)?\r?$/.exec(line)?.[1]
      if (digits === undefined) return 'broken'
      const from = end + 1
      const to = from + Number.parseInt(digits, 16)
      if (to === from) this.#trailerAt = from
      else {
        const behind = all[to] === CR ? to + 1 : to
        if (behind >= all.length) return undefined
        if (all[behind] !== LF) return 'broken'
        this.#pieces.push(all.slice(from, to))
        this.#at = behind + 1
      }
    }
    const used = trailerEnd(all, this.#trailerAt)
    if (used !== undefined) return { body: joined(this.#pieces), used }
    return all.length - this.#trailerAt > MOST_BETWEEN ? 'broken' : undefined
  }
}

function trailerEnd(all: Bytes, from: number): number | undefined {
  for (let at = from; ; ) {
    const end = all.indexOf(LF, at)
    if (end < 0) return undefined
    if (end === at || (end === at + 1 && all[at] === CR)) return end + 1
    at = end + 1
  }
}

function joined(pieces: readonly Bytes[]): Bytes {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}
