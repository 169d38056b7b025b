/**
 * `GET /api/v1/events`: the gateway's events as server-sent events, to a bounded number of clients.
 * Those that want to see live get the whole status every second, and the activity of one environment
 * every other second. One ticker asks for all of them, and only while somebody looks.
 */
import type { ServerResponse } from 'node:http'
import type { Gateway, GatewayEvent } from '../gateway/contract.js'
import {
  ACTIVITY_INTERVAL,
  EVENT_BUFFER,
  EVENT_CLIENTS,
  EVENT_COMMENT_INTERVAL,
  LIVE_INTERVAL,
} from './limits.js'

export interface Wishes {
  /** The status every LIVE_INTERVAL. */
  readonly live: boolean
  /** The activity of this environment every ACTIVITY_INTERVAL. */
  readonly activity?: string | undefined
}

export class EventStreams {
  readonly #gateway: Gateway
  readonly #clients = new Map<ServerResponse, Wishes>()
  #unlisten: (() => void) | undefined
  #comment: NodeJS.Timeout | undefined
  #status: NodeJS.Timeout | undefined
  #activity: NodeJS.Timeout | undefined

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /** Takes the response over. False: too many clients. The first event is the whole status. */
  async add(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    wishes: Wishes,
  ): Promise<boolean> {
    if (this.#clients.size >= EVENT_CLIENTS) return false
    if (this.#clients.size === 0 && !this.#begin()) return false
    this.#clients.set(response, wishes)
    this.#tick()
    response.once('close', () => this.#remove(response))
    response.on('error', () => response.destroy())
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    write(response, frame('status', await this.#gateway.status()))
    const { activity } = wishes
    if (activity !== undefined) await this.#tellActivity(activity, [response])
    return true
  }

  close(): void {
    for (const response of this.#clients.keys()) response.destroy()
  }

  #begin(): boolean {
    this.#unlisten = this.#gateway.listen((event: GatewayEvent) => {
      const { kind, ...data } = event
      broadcast(this.#clients.keys(), frame(kind, data))
    })
    if (this.#unlisten === undefined) return false
    this.#comment = setInterval(
      () => broadcast(this.#clients.keys(), ':\n\n'),
      EVENT_COMMENT_INTERVAL,
    )
    return true
  }

  #remove(response: ServerResponse): void {
    this.#clients.delete(response)
    this.#tick()
    if (this.#clients.size > 0) return
    this.#unlisten?.()
    clearInterval(this.#comment)
  }

  /** The tickers run exactly while somebody wants to see. */
  #tick(): void {
    const wishes = [...this.#clients.values()]
    this.#status = ticking(
      this.#status,
      wishes.some(({ live }) => live),
      LIVE_INTERVAL,
      () => this.#tellStatus(),
    )
    const looked = wishes.some(({ activity }) => activity !== undefined)
    this.#activity = ticking(this.#activity, looked, ACTIVITY_INTERVAL, () =>
      this.#tellActivities(),
    )
  }

  async #tellStatus(): Promise<void> {
    const text = frame('status', await this.#gateway.status())
    for (const [response, { live }] of this.#clients) if (live) write(response, text)
  }

  async #tellActivities(): Promise<void> {
    const watchers = new Map<string, ServerResponse[]>()
    for (const [response, { activity }] of this.#clients) {
      if (activity === undefined) continue
      watchers.set(activity, [...(watchers.get(activity) ?? []), response])
    }
    await Promise.all([...watchers].map(([name, clients]) => this.#tellActivity(name, clients)))
  }

  /** An environment that is gone is told of by the status. */
  async #tellActivity(environment: string, clients: readonly ServerResponse[]): Promise<void> {
    const activity = await this.#gateway.activity(environment)
    if (activity === undefined) return
    broadcast(clients, frame('activity', { environment, ...activity }))
  }
}

/** Starts or ends a ticker as wanted. A tick that is not done yet is not hurried by the next. */
function ticking(
  timer: NodeJS.Timeout | undefined,
  wanted: boolean,
  interval: number,
  run: () => Promise<void>,
): NodeJS.Timeout | undefined {
  if (!wanted) {
    clearInterval(timer)
    return undefined
  }
  let running = false
  return (
    timer ??
    setInterval(() => {
      if (running) return
      running = true
      void run().finally(() => {
        running = false
      })
    }, interval)
  )
}

function broadcast(clients: Iterable<ServerResponse>, text: string): void {
  for (const response of clients) write(response, text)
}

function write(response: ServerResponse, text: string): void {
  if (response.destroyed) return
  if (response.writableLength > EVENT_BUFFER) response.destroy()
  else response.write(text)
}

/** JSON has no raw newline, so one data line is enough. */
function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
