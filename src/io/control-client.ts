/** Requests to the gateway by its control socket: what the commands use. */
import { request } from 'node:http'
import { PvpnError } from '../core/errors.js'
import { CONTROL_ANSWER_MOST } from './limits.js'
import { checkRuntimeFolder, type RuntimeFolder } from './runtime-folder.js'

export interface ControlAnswer {
  readonly status: number
  /** What was parsed when it is JSON, else text. */
  readonly body: unknown
}

export interface ControlRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: object
  /** Milliseconds until ERR_TIMEOUT. */
  readonly timeout: number
}

/** ERR_DOWN when no gateway runs, ERR_TIMEOUT when it does not answer. Any HTTP status is an answer. */
export async function askGateway(
  folder: RuntimeFolder,
  wanted: ControlRequest,
): Promise<ControlAnswer> {
  if (!(await checkRuntimeFolder(folder))) throw noGateway(folder)
  return new Promise((resolve, reject) => {
    const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
    const outgoing = request({
      socketPath: folder.controlSocket,
      method: wanted.method,
      path: wanted.path,
      agent: false,
      headers: {
        host: 'localhost',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      signal: AbortSignal.timeout(wanted.timeout),
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => reject(failure(folder, error)))
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      let size = 0
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > CONTROL_ANSWER_MOST) {
          outgoing.destroy()
          reject(new PvpnError('ERR_LIMIT', 'the answer of the gateway is too long'))
        } else chunks.push(chunk)
      })
      incoming.on('error', (error) => reject(failure(folder, error)))
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const json = /^application\/json\b/.test(incoming.headers['content-type'] ?? '')
        try {
          resolve({ status: incoming.statusCode ?? 0, body: json ? JSON.parse(text) : text })
        } catch (error) {
          reject(new PvpnError('ERR_PROTOCOL', 'the gateway answers nonsense', { cause: error }))
        }
      })
    })
    outgoing.end(body)
  })
}

function failure(folder: RuntimeFolder, error: NodeJS.ErrnoException): PvpnError {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return new PvpnError('ERR_TIMEOUT', 'the gateway does not answer', { cause: error })
  }
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return noGateway(folder)
  return new PvpnError('ERR_DOWN', `can't talk to the gateway: ${error.message}`, { cause: error })
}

function noGateway(folder: RuntimeFolder): PvpnError {
  return new PvpnError('ERR_DOWN', `no gateway runs here (looked in ${folder.path})`, {
    hint: 'start one with: pvpn up',
  })
}
