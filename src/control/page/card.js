/** One environment on the page. */
import { age, make, makeSvg, say, size } from './elements.js'

/** Seconds that the curve shows. */
const CURVE = 60

/** A sign beside each word: colour is not all that tells states apart. */
const SIGNS = { up: '●', starting: '◐', down: '◌', failed: '✕', stopped: '○' }
const STATES = {
  up: 'up',
  starting: 'starting',
  down: 'down, coming back',
  failed: 'failed: needs you',
  stopped: 'stopped',
}

export class Card {
  element
  #name
  #parts = {}
  #buttons = {}
  /** Samples of [time, bytes in, bytes out] of the tunnel. */
  #samples = []
  #state

  /** `act(name, action)`: a button was pressed; `look(name, open)`: the details were opened or closed. */
  constructor(name, { act, look }) {
    this.#name = name
    const heading = `environment-${name}`
    const text = (key) => {
      const part = make('dd')
      this.#parts[key] = part
      return part
    }
    const button = (action, label) => {
      const part = make('button', {
        type: 'button',
        textContent: label,
        'aria-label': `${label} ${name}`,
      })
      part.addEventListener('click', () => act(name, action))
      this.#buttons[action] = part
      return part
    }
    const p = this.#parts
    p.state = make('span', { className: 'state' })
    p.in = make('span', { className: 'in number' })
    p.out = make('span', { className: 'out number' })
    p.inCurve = makeSvg('path', { class: 'in', d: '' })
    p.outCurve = makeSvg('path', { class: 'out', d: '' })
    p.error = make('p', { className: 'problem' })
    p.remedy = make('p', { className: 'hint' })
    p.summary = make('summary', { textContent: 'Connections and errors' })
    p.rows = make('tbody')
    p.more = make('p')
    p.failures = make('ul', { className: 'failures' })
    p.noFailures = make('p', { textContent: 'None.' })
    p.details = make(
      'details',
      {},
      p.summary,
      make('h3', { textContent: 'Open connections' }),
      make(
        'div',
        {
          className: 'scroll',
          tabIndex: 0,
          role: 'region',
          'aria-label': `Connections of ${name}`,
        },
        make('table', {}, make('thead', {}, headRow()), p.rows),
      ),
      p.more,
      make('h3', { textContent: 'Last errors' }),
      p.failures,
      p.noFailures,
    )
    p.details.addEventListener('toggle', () => {
      this.element.classList.toggle('open', p.details.open)
      look(name, p.details.open)
    })
    this.element = make(
      'article',
      { 'aria-labelledby': heading },
      make(
        'div',
        { className: 'top' },
        make('h2', { id: heading, textContent: name }),
        p.state,
        make(
          'div',
          { className: 'buttons' },
          button('start', 'Start'),
          button('stop', 'Stop'),
          button('restart', 'Restart'),
        ),
      ),
      p.error,
      p.remedy,
      make(
        'div',
        { className: 'traffic' },
        p.in,
        p.out,
        makeSvg(
          'svg',
          { viewBox: '0 0 100 30', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          p.inCurve,
          p.outCurve,
        ),
      ),
      make(
        'dl',
        {},
        ...[
          ['Proxy', 'proxy'],
          ['Tunnel', 'tunnel'],
          ['Handshake', 'handshake'],
          ['Addresses', 'addresses'],
          ['DNS', 'dns'],
          ['Connections', 'connections'],
        ].flatMap(([label, key]) => [make('dt', { textContent: label }), text(key)]),
      ),
      p.details,
    )
  }

  get looked() {
    return this.#parts.details.open
  }

  close() {
    this.#parts.details.open = false
  }

  /** `owner`: may this browser change things? Returns what changed in words, or undefined. */
  show(status, owner, now = Date.now()) {
    const { tunnel, dns, listen } = status
    const p = this.#parts
    const said =
      this.#state === undefined || this.#state === status.state
        ? undefined
        : `${this.#name} is ${STATES[status.state]}`
    this.#state = status.state
    p.state.className = `state ${status.state}`
    say(p.state, `${SIGNS[status.state]} ${STATES[status.state]}`)
    say(p.error, status.error?.message ?? '')
    say(p.remedy, status.error?.hint === undefined ? '' : `→ ${status.error.hint}`)
    say(p.proxy, listen.proxy.join(', ') || 'none')
    say(p.tunnel, tunnel.endpoint === null ? tunnel.type : `${tunnel.type} to ${tunnel.endpoint}`)
    say(
      p.handshake,
      tunnel.type === 'direct'
        ? 'not needed'
        : tunnel.lastHandshake === null
          ? 'none yet'
          : `${age((now - Date.parse(tunnel.lastHandshake)) / 1000)} ago`,
    )
    say(
      p.addresses,
      status.addresses.join(', ') || (tunnel.type === 'direct' ? 'the host’s' : 'none'),
    )
    say(p.dns, [...dns.servers, ...dns.search.map((domain) => `(${domain})`)].join(' ') || 'none')
    say(p.connections, String(status.connections))
    this.#traffic(tunnel, now)
    const runs = status.state !== 'stopped'
    this.#buttons.start.disabled = !owner || (runs && status.state !== 'failed')
    this.#buttons.stop.disabled = !owner || !runs
    this.#buttons.restart.disabled = !owner || !runs
    return said
  }

  /** Connections and failures; only while the details are open. */
  showActivity({ connections, total, failures }) {
    const p = this.#parts
    p.rows.replaceChildren(...connections.map(connectionRow))
    const hidden = total - connections.length
    say(
      p.more,
      total === 0 ? 'None.' : hidden > 0 ? `${hidden} more, with less traffic, are not shown.` : '',
    )
    p.failures.replaceChildren(...failures.map(failureItem))
    p.noFailures.hidden = failures.length > 0
  }

  #traffic({ bytesIn, bytesOut }, now) {
    const samples = this.#samples
    const last = samples.at(-1)
    // A new process counts from zero.
    if (last !== undefined && (bytesIn < last[1] || bytesOut < last[2])) samples.length = 0
    if (samples.length > 0 && now - samples.at(-1)[0] < 500) return
    samples.push([now, bytesIn, bytesOut])
    if (samples.length > CURVE + 1) samples.shift()
    const rates = samples.slice(1).map(([at, input, output], index) => {
      const [before, inputBefore, outputBefore] = samples[index]
      const seconds = Math.max(0.001, (at - before) / 1000)
      return [(input - inputBefore) / seconds, (output - outputBefore) / seconds]
    })
    const [input, output] = rates.at(-1) ?? [0, 0]
    const p = this.#parts
    say(p.in, `↓ ${size(input)}/s`)
    say(p.out, `↑ ${size(output)}/s`)
    const most = Math.max(1024, ...rates.flat())
    const curve = (which) =>
      rates
        .map((rate, index) => {
          const x = 100 - ((rates.length - 1 - index) * 100) / (CURVE - 1)
          return `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${(29 - (27 * rate[which]) / most).toFixed(1)}`
        })
        .join('')
    p.inCurve.setAttribute('d', curve(0))
    p.outCurve.setAttribute('d', curve(1))
  }
}

const COLUMNS = [
  ['Program', ''],
  ['Target', ''],
  ['Down', 'amount'],
  ['Up', 'amount'],
  ['Age', 'amount'],
]

function headRow() {
  const cells = COLUMNS.map(([head, className]) =>
    make('th', { textContent: head, className, scope: 'col' }),
  )
  return make('tr', {}, ...cells)
}

function connectionRow({ program, user, protocol, target, bytesIn, bytesOut, age: seconds }) {
  const name = program?.replace(/.*\//, '') ?? 'unknown'
  const texts = [
    user === null ? name : `${name} (${user})`,
    target ?? `nothing yet${protocol === null ? '' : `, ${protocol}`}`,
    size(bytesIn),
    size(bytesOut),
    age(seconds),
  ]
  const cells = texts.map((textContent, index) => {
    const [head, className] = COLUMNS[index]
    return make('td', { textContent, className, 'data-head': head })
  })
  if (program !== null) cells[0].title = program
  return make('tr', {}, ...cells)
}

function failureItem({ at, message, target, hint, times }) {
  const when = new Date(at)
  const item = make(
    'li',
    {},
    make('time', { dateTime: at, textContent: when.toLocaleTimeString() }),
    ` ${target === null || message.includes(target) ? '' : `${target}: `}${message}`,
    times > 1 ? ` (${times} times)` : '',
  )
  if (hint !== null)
    item.append(make('br'), make('span', { className: 'hint', textContent: `→ ${hint}` }))
  return item
}
