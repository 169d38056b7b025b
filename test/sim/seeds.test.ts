/** Random links, sizes and behaviour, seed by seed; SIM_SECONDS bounds the time (default 15). SIM_SEED runs one seed. */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import type { LinkOptions } from './link.js'
import { Monitor, watchWindow } from './monitor.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const SECONDS = Number(process.env.SIM_SECONDS ?? 15)
const FEWEST = 50

function randomLink(r: SeededRandom): LinkOptions {
  const some = (most: number) => (r.chance(0.5) ? 0 : r.fraction() * most)
  return {
    delay: [0.01, 1, 5, 20, 50, 150][r.between(0, 5)] as number,
    loss: some(0.08),
    duplicate: some(0.05),
    reorder: some(0.2),
    corrupt: some(0.02),
    jitter: r.fraction() * 60,
    ...(r.chance(0.6) ? { rate: r.between(50, 20_000), queue: r.between(3_000, 300_000) } : {}),
  }
}

function run(seed: number): string[] {
  const r = new SeededRandom(seed)
  const pair = new Pair({
    random: r,
    there: randomLink(r),
    back: randomLink(r),
    family: r.chance(0.5) ? 4 : 6,
    mtu: r.between(1280, 1500),
    batch: r.between(1, 128),
  })
  const size = () => (r.chance(0.1) ? 0 : Math.floor(10 ** (r.fraction() * 5.6)))
  const lazy = r.chance(0.3)
  const up = size() * (lazy ? 3 : 1)
  const down = size() * (lazy ? 3 : 1)
  const halfClose = r.chance(0.4)
  const chunk = r.chance(0.3) ? r.between(1, 500) : 65_536
  const small = Math.min(up, down) > 50_000 ? 65_536 : chunk
  const monitors = [new Monitor(pair.a), new Monitor(pair.b)]
  const talk = transfer(pair, r, { up, down, halfClose, chunk: small, lazy })
  const breaches: string[] = []
  watchWindow(pair.a, () => talk.socket as Connection, breaches)
  // Damage of the handshake's last ACK or very bad luck may take minutes; nothing may take an hour.
  pair.run(() => talk.poll(), 3_600_000)
  // With nothing on its way the clock stands still until somebody reads.
  for (let i = 0; lazy && i < 1000 && !talk.poll(1); i++) pair.run(() => talk.poll(), 3_600_000)
  for (const m of monitors) breaches.push(...m.breaches)
  const { client, server } = talk
  if (client.error !== undefined) breaches.push(`client: ${client.error.message}`)
  else if (server === undefined) breaches.push('server never had a connection')
  else {
    if (server.error !== undefined) breaches.push(`server: ${server.error.message}`)
    if (server.received !== up) breaches.push(`server got ${server.received} of ${up}`)
    if (client.received !== down) breaches.push(`client got ${client.received} of ${down}`)
    if (client.wrongAt >= 0) breaches.push(`client got a wrong byte at ${client.wrongAt}`)
    if (server.wrongAt >= 0) breaches.push(`server got a wrong byte at ${server.wrongAt}`)
    if (!talk.done) breaches.push('not closed')
  }
  if (pair.a.tcp.counters.open + pair.b.tcp.counters.open !== 0) breaches.push('left open')
  return breaches
}

t.test('every seed delivers every byte and keeps the rules', async (t) => {
  const only = process.env.SIM_SEED
  if (only !== undefined) {
    t.same(run(Number(only)), [])
    return
  }
  const first = Number(process.env.SIM_FIRST ?? 1)
  const end = Date.now() + SECONDS * 1000
  let seed = first
  let failed = 0
  while ((Date.now() < end || seed - first < FEWEST) && failed < 5) {
    const breaches = run(seed)
    if (breaches.length > 0) {
      failed++
      t.fail(`seed ${seed}: ${breaches.slice(0, 5).join('; ')}`)
    }
    seed++
  }
  t.comment(`${seed - first} seeds`)
  t.equal(failed, 0)
})
