import t from 'tap'
import { TokenBucket } from '../../src/stack/token-bucket.js'

function taken(bucket: TokenBucket, now: number, tries: number): number {
  let count = 0
  for (let i = 0; i < tries; i++) if (bucket.take(now)) count++
  return count
}

t.test('a second’s worth at once, then at its rate', async (t) => {
  // One each 8 ms.
  const bucket = new TokenBucket(125)
  t.equal(taken(bucket, 50_000, 500), 125)
  t.equal(taken(bucket, 50_007, 500), 0)
  t.equal(taken(bucket, 50_008, 500), 1)
  t.equal(taken(bucket, 50_508, 500), 62)
  t.equal(taken(bucket, 50_512, 500), 1, 'halves add up')
  t.equal(taken(bucket, 999_999, 500), 125, 'rest does not')
})

t.test('asking in small steps gives no more and no less', async (t) => {
  const bucket = new TokenBucket(100)
  let count = 0
  for (let now = 0; now <= 10_000; now++) count += taken(bucket, now, 3)
  t.ok(count >= 1098 && count <= 1100, `${count} in ten seconds`)
})
