/** Local ports (RFC 6056): spread over the whole range, not to be guessed from the last one. */
import t from 'tap'
import { Ports } from '../../../src/stack/tcp/ports.js'
import { seededRandom } from '../../support/seeded.js'

const FROM = 32_768
const TO = 60_999
const DRAWS = 20_000

t.test('every part of the range is drawn alike, and neighbours are no more frequent', async (t) => {
  const ports = new Ports(seededRandom(1), [FROM, TO])
  const buckets = new Array<number>(16).fill(0)
  let near = 0
  let before = 0
  for (let i = 0; i < DRAWS; i++) {
    const port = ports.choose(() => 'free') as number
    if (port < FROM || port > TO) t.fail(`${port}`)
    const bucket = Math.floor(((port - FROM) * 16) / (TO - FROM + 1))
    buckets[bucket] = (buckets[bucket] as number) + 1
    if (Math.abs(port - before) < 100) near++
    before = port
  }
  const mean = DRAWS / 16
  for (const count of buckets) t.ok(Math.abs(count - mean) < 0.15 * mean, `${count} of ${mean}`)
  t.ok(near < (2 * DRAWS * 200) / (TO - FROM), `${near} neighbours`)
})

t.test('the last free port is found; none left is said', async (t) => {
  const ports = new Ports(seededRandom(1), [FROM, TO])
  t.equal(
    ports.choose((port) => (port === 40_000 ? 'free' : 'taken')),
    40_000,
  )
  t.equal(
    ports.choose(() => 'taken'),
    undefined,
  )
})
