import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '../../src/core/log.js'
import type { EnvironmentOptions, GatewayOptions } from '../../src/core/options.js'
import type { Answers } from '../../src/core/question.js'
import type { GatewayEvent, LoadedConfiguration } from '../../src/gateway/contract.js'
import { Supervisor } from '../../src/gateway/supervisor.js'
import type { Timings } from '../../src/gateway/timings.js'

export const FAKE_ENVIRONMENT = fileURLToPath(new URL('./fake-environment.js', import.meta.url))

export function environmentOptions(
  name: string,
  port: number,
  more: Partial<EnvironmentOptions> = {},
): EnvironmentOptions {
  return {
    name,
    tunnel: { type: 'direct' },
    listen: [{ kind: 'tcp', address: '127.0.0.1', port }],
    users: [],
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
    forwards: [],
    publish: [],
    start: 'always',
    connectTimeout: 5,
    allowUnauthenticated: false,
    ...more,
  }
}

export function gatewayOptions(environments: readonly EnvironmentOptions[]): GatewayOptions {
  return { file: undefined, control: { listen: undefined }, environments, policy: undefined }
}

/** What the standby listener says in tests: `down CODE MESSAGE`. */
export const standbyAnswer = (
  socket: Socket,
  _options: unknown,
  error: { code: string; message: string },
) => {
  socket.end(`down ${error.code} ${error.message}\n`)
  socket.resume()
}

export interface Harness {
  readonly supervisor: Supervisor
  readonly events: GatewayEvent[]
  /** What the next reload finds. */
  loaded: LoadedConfiguration
  /** Resolves with the first event, past or coming, that fits. */
  until(fits: (event: GatewayEvent) => boolean): Promise<GatewayEvent>
  state(environment: string, state: string): Promise<GatewayEvent>
  /** A person's answers to what the environment `asks` asks now. */
  answer(answers: Answers): ReturnType<Supervisor['answer']>
}

export function harness(
  environments: readonly EnvironmentOptions[],
  timings: Partial<Timings> = {},
  more: { readonly heapMib?: number } = {},
): Harness {
  const events: GatewayEvent[] = []
  let notify = () => {}
  const supervisor = new Supervisor({
    configuration: gatewayOptions(environments),
    load: async () => self.loaded,
    version: '0',
    listening: () => ({ control: null, policy: null }),
    module: FAKE_ENVIRONMENT,
    logger: silentLogger,
    logLevel: 'error',
    standbyAnswer,
    timings: { backoffFirst: 50, ...timings },
    ...more,
  })
  supervisor.listen((event) => {
    events.push(event)
    notify()
  })
  const until = async (fits: (event: GatewayEvent) => boolean): Promise<GatewayEvent> => {
    for (;;) {
      const found = events.find(fits)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        const before = notify
        notify = () => {
          before()
          resolve()
        }
      })
    }
  }
  const self: Harness = {
    supervisor,
    events,
    loaded: { problems: [], warnings: [] },
    until,
    state: (environment, state) =>
      until((e) => e.kind === 'state' && e.environment === environment && e.state === state),
    answer: async (answers) => {
      const { asksId = '' } = (await supervisor.environment('asks')) ?? {}
      return supervisor.answer('asks', { asksId, answers }, 10_000)
    },
  }
  return self
}

/** A client of a proxy port that reads lines. */
export class LineClient {
  readonly socket: Socket
  #text = ''
  #closed = false
  #notify = () => {}

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (data) => {
      this.#text += data.toString()
      this.#notify()
    })
    this.socket.on('error', () => {})
    this.socket.on('end', () => this.#end())
    this.socket.on('close', () => this.#end())
  }

  #end(): void {
    this.#closed = true
    this.#notify()
  }

  send(text: string): void {
    this.socket.write(text)
  }

  /** The next line, or undefined when the connection ended before. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.#text.indexOf('\n')
      if (at >= 0) {
        const line = this.#text.slice(0, at)
        this.#text = this.#text.slice(at + 1)
        return line
      }
      if (this.#closed) return undefined
      await new Promise<void>((resolve) => {
        this.#notify = resolve
      })
    }
  }

  close(): void {
    this.socket.destroy()
  }
}

/** The first line that a fresh client of the port gets. */
export async function greeting(port: number): Promise<string | undefined> {
  const client = new LineClient(port)
  const line = await client.line()
  client.close()
  return line
}

/** Greets until the line fits; fails by the test's own time-out. */
export async function greetingLike(port: number, pattern: RegExp): Promise<string> {
  for (;;) {
    const line = await greeting(port)
    if (line !== undefined && pattern.test(line)) return line
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
