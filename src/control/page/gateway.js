/** Everything that the page asks of the gateway. The browser adds the cookie, which no script can read. */

const API = '/api/v1'

/** The answer's JSON; throws an Error with the gateway's words. */
async function ask(method, path, body) {
  const response = await fetch(`${API}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const answer = await response.json().catch(() => ({}))
  if (response.ok) return answer
  const error = new Error(answer.error?.message ?? `the gateway answers ${response.status}`)
  error.status = response.status
  throw error
}

export const signedIn = async () => (await ask('GET', '/session')).signedIn
export const signIn = (token) => ask('POST', '/session', { token })
export const signOut = () => ask('DELETE', '/session')
export const act = (name, action) => ask('POST', `/environments/${name}/${action}`, {})

/** A stream of events, opened anew whenever what is to be seen changes; closed while nobody looks. */
export class Events {
  #source
  #handlers
  #retry

  /** `handlers`: by event name, and `open`, `lost`. */
  constructor(handlers) {
    this.#handlers = handlers
  }

  open(environment) {
    this.close()
    const query = new URLSearchParams({ live: 'true' })
    if (environment !== undefined) query.set('activity', environment)
    const source = new EventSource(`${API}/events?${query}`)
    this.#source = source
    for (const [name, handler] of Object.entries(this.#handlers)) {
      if (name === 'open' || name === 'lost') continue
      source.addEventListener(name, ({ data }) => handler(JSON.parse(data)))
    }
    source.addEventListener('open', () => this.#handlers.open())
    source.addEventListener('error', () => {
      this.#handlers.lost()
      // A refusal (a new token since the gateway's restart, too many clients) ends an EventSource for good.
      if (source.readyState === EventSource.CLOSED) {
        this.#retry = setTimeout(() => this.#handlers.refused(), 3000)
      }
    })
  }

  close() {
    clearTimeout(this.#retry)
    this.#source?.close()
    this.#source = undefined
  }
}
