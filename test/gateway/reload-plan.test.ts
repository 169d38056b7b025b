import t from 'tap'
import type { WireguardOptions } from '../../src/core/options.js'
import { reloadPlan } from '../../src/gateway/reload-plan.js'
import { environmentOptions } from './support.js'

const wireguard = (key: number): WireguardOptions => ({
  type: 'wireguard',
  privateKey: new Uint8Array(32).fill(key),
  addresses: ['192.168.9.52/24'],
  dns: [],
  search: [],
  mtu: 1420,
  listenPort: 0,
  peers: [],
})

t.test('plan tells new, changed, removed and unchanged environments apart', async (t) => {
  const before = ['a', 'b', 'c'].map((name, i) => environmentOptions(name, 1081 + i))
  const after = [
    environmentOptions('d', 1),
    environmentOptions('b', 2),
    environmentOptions('a', 1081),
  ]
  const plan = reloadPlan(before, after)
  t.same(
    plan.started.map((e) => e.name),
    ['d'],
  )
  t.same(
    plan.changed.map((e) => e.name),
    ['b'],
  )
  t.same(plan.removed, ['c'])
  t.same(plan.unchanged, ['a'])
})

t.test('plan compares keys, passwords and lists by value, not the order of fields', async (t) => {
  const one = environmentOptions('a', 1, { tunnel: wireguard(1) })
  const same = { ...Object.fromEntries(Object.entries(one).reverse()) } as unknown as typeof one
  t.same(reloadPlan([one], [{ ...same, tunnel: wireguard(1) }]).unchanged, ['a'])
  const changes: Partial<typeof one>[] = [
    { tunnel: wireguard(2) },
    { tunnel: { type: 'direct' } },
    { users: [{ name: 'ann', password: 'x' }] },
    { start: 'on-demand' },
    { connectTimeout: 6 },
    { dns: { ...one.dns, hosts: { 'a.example': ['192.0.2.1'] } } },
  ]
  for (const change of changes) {
    t.equal(reloadPlan([one], [{ ...one, ...change }]).changed.length, 1)
  }
  const user = (password: string) => ({ ...one, users: [{ name: 'ann', password }] })
  t.equal(reloadPlan([user('x')], [user('y')]).changed.length, 1)
})
