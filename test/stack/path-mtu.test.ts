import t from 'tap'
import { parseIp } from '../../src/core/ip.js'
import type { Bytes } from '../../src/core/types.js'
import { PATH_MTU_FLOOR_4, PATH_MTU_TIME, PATH_MTUS } from '../../src/stack/limits.js'
import { PathMtu } from '../../src/stack/path-mtu.js'

const A = parseIp('10.0.0.9') as Bytes
const B = parseIp('10.0.0.10') as Bytes
const SIX = parseIp('fd00::9') as Bytes

function paths(link = 1420): PathMtu {
  const made = new PathMtu()
  made.setLink(link)
  return made
}

t.test('a path is the link until somebody tells less', async (t) => {
  const p = paths()
  t.equal(p.get(A), 1420)
  t.ok(p.lower(A, 1300, 1420, 0))
  t.equal(p.get(A), 1300)
  t.equal(p.get(B), 1420, 'others are as they were')
  t.notOk(p.lower(A, 1300, 1420, 0), 'the same again is no news')
  t.notOk(p.lower(A, 1400, 1420, 0), 'nor is more')
  t.equal(p.get(A), 1300)
  t.notOk(p.lower(B, 1420, 1500, 0))
})

t.test('nobody shrinks a path below the floor', async (t) => {
  for (const told of [1, 68, PATH_MTU_FLOOR_4 - 1]) {
    const p = paths()
    t.ok(p.lower(A, told, 1420, 0))
    t.equal(p.get(A), PATH_MTU_FLOOR_4, `${told}`)
  }
  const p = paths()
  t.ok(p.lower(SIX, 1279, 1420, 0))
  t.equal(p.get(SIX), 1280)
  t.notOk(paths(1280).lower(SIX, 100, 1280, 0), 'the link is at the floor already')
  t.notOk(paths(576).lower(SIX, 100, 576, 0), 'a link below it is not raised')
})

t.test('a router that does not tell: the next plateau (RFC 1191 section 7)', async (t) => {
  const steps = [
    [9000, 8166],
    [8166, 4352],
    [1500, 1492],
    [1492, 1006],
    [1006, 552],
    [552, 552],
    [0, 552],
  ]
  for (const [tooBig = 0, plateau] of steps) {
    const p = paths(9000)
    t.ok(p.lower(A, 0, tooBig, 0))
    t.equal(p.get(A), plateau, `after ${tooBig}`)
  }
  const six = paths()
  t.ok(six.lower(SIX, 0, 1420, 0))
  t.equal(six.get(SIX), 1280)
})

t.test('what was learnt ages, oldest first', async (t) => {
  const p = paths()
  t.equal(p.deadline(), Number.POSITIVE_INFINITY)
  p.lower(A, 1300, 1420, 100)
  p.lower(B, 1300, 1420, 200)
  t.equal(p.deadline(), 100 + PATH_MTU_TIME)
  p.lower(A, 1200, 1300, 300)
  t.equal(p.deadline(), 200 + PATH_MTU_TIME, 'told again counts from then')
  p.tick(200 + PATH_MTU_TIME)
  t.same([p.get(A), p.get(B)], [1200, 1420])
  p.tick(300 + PATH_MTU_TIME)
  t.equal(p.get(A), 1420)
  t.equal(p.deadline(), Number.POSITIVE_INFINITY)
})

t.test('a bounded number of paths', async (t) => {
  const p = paths()
  const address = (i: number) => new Uint8Array([10, 1, i >> 8, i])
  for (let i = 0; i <= PATH_MTUS; i++) p.lower(address(i), 1000, 1420, i)
  t.equal(p.get(address(0)), 1420, 'the oldest is forgotten')
  t.equal(p.get(address(1)), 1000)
  t.equal(p.get(address(PATH_MTUS)), 1000)
})

t.test('a new link forgets all of it; a smaller one wins', async (t) => {
  const p = paths()
  p.lower(A, 1300, 1420, 0)
  p.setLink(1280)
  t.equal(p.get(A), 1280)
  p.setLink(1420)
  t.equal(p.get(A), 1420)
})
