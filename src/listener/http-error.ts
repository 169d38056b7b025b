/** Answers of our own to HTTP clients: what went wrong, in which environment, and what to do. */
import { STATUS_CODES } from 'node:http'
import { type ErrorCode, PvpnError, toPvpnError } from '../core/errors.js'
import { HTTP_REPLIES } from './reply-codes.js'

/** Why a request gets an answer of ours. */
export interface HttpRefusal {
  readonly status: number
  /** Proxy error type of RFC 9209 section 2.3. */
  readonly error: string
  readonly message: string
  readonly hint: string
  readonly fields?: readonly string[]
}

export function refusalOf(thrown: unknown): HttpRefusal {
  const error = toPvpnError(thrown)
  const reply = HTTP_REPLIES[error.code satisfies ErrorCode]
  return {
    status: reply.status,
    error: reply.error,
    // The cause of a defect goes to the log, not to whoever asks.
    message: error.code === 'ERR_INTERNAL' ? 'internal error' : error.message,
    hint: (thrown instanceof PvpnError ? thrown.hint : undefined) ?? reply.hint,
  }
}

export interface HttpAnswer {
  readonly status: number
  readonly reason: string
  /** Name and value in turn. */
  readonly fields: string[]
  readonly body: Buffer
}

/** The whole answer; HTML for those who accept it, plain text for the others. */
export function errorAnswer(
  place: string,
  refusal: HttpRefusal,
  accept: string | undefined,
): HttpAnswer {
  const reason = STATUS_CODES[refusal.status] ?? 'Error'
  const html = accept?.includes('text/html') ?? false
  const title = `${refusal.status} ${reason}`
  const where = `pvpn, ${place}`
  const body = Buffer.from(
    html
      ? `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title>` +
          `<h1>${escapeHtml(title)}</h1><p><b>${escapeHtml(refusal.message)}</b></p>` +
          `<p>${escapeHtml(refusal.hint)}</p><hr><p>${escapeHtml(where)}</p></html>\n`
      : `${title}\n${refusal.message}\n${refusal.hint}\n(${where})\n`,
  )
  return {
    status: refusal.status,
    reason,
    fields: [
      ...(refusal.fields ?? []),
      'Proxy-Status',
      `pvpn; error=${refusal.error}; details=${structuredString(refusal.message)}`,
      'Content-Type',
      `text/${html ? 'html' : 'plain'}; charset=utf-8`,
      'Content-Length',
      String(body.length),
      'Cache-Control',
      'no-store',
      'Content-Security-Policy',
      "default-src 'none'",
      'X-Content-Type-Options',
      'nosniff',
    ],
    body,
  }
}

/** The answer as bytes, for a connection that ends with it. */
export function encodeAnswer(answer: HttpAnswer, withBody = true): Buffer {
  let head = `HTTP/1.1 ${answer.status} ${answer.reason}\r\n`
  for (let i = 0; i + 1 < answer.fields.length; i += 2) {
    head += `${answer.fields[i]}: ${answer.fields[i + 1]}\r\n`
  }
  head += 'Connection: close\r\n\r\n'
  return withBody
    ? Buffer.concat([Buffer.from(head, 'latin1'), answer.body])
    : Buffer.from(head, 'latin1')
}

/** A string of RFC 8941: printable ASCII, quoted. */
function structuredString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
