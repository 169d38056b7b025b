/** Cryptokey routing against a router that looks at every prefix. */
import t from 'tap'
import { inPrefix, type Prefix, parsePrefix } from '../../../src/core/ip.js'
import type { Bytes } from '../../../src/core/types.js'
import { AllowedIps } from '../../../src/tunnel/wireguard/allowed-ips.js'
import { seededNumbers } from '../../support/seeded.js'
import { address, SEED } from './world.js'

function lookup(table: AllowedIps, ip: Bytes): number {
  return table.lookup(ip.length === 4 ? 4 : 6, ip, 0)
}

t.test('the longest prefix wins, families are apart', (t) => {
  const table = new AllowedIps()
  const prefixes = ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', 'fd00::/8', 'fd00::1']
  for (const [i, text] of prefixes.entries()) table.insert(parsePrefix(text) as Prefix, i)
  const expected: Record<string, number> = {
    '192.0.2.1': 0,
    '10.9.9.9': 1,
    '10.1.9.9': 2,
    '10.1.2.3': 3,
    '10.1.2.2': 2,
    'fd12::': 4,
    'fd00::1': 5,
    'fd00::2': 4,
    '2001:db8::1': -1,
  }
  for (const [ip, peer] of Object.entries(expected)) t.equal(lookup(table, address(ip)), peer, ip)
  t.equal(lookup(new AllowedIps(), address('10.0.0.1')), -1)
  t.end()
})

t.test(
  'of two peers with one prefix the later has it; bits behind the prefix do not matter',
  (t) => {
    const table = new AllowedIps()
    table.insert(parsePrefix('10.1.2.99/24') as Prefix, 0)
    table.insert(parsePrefix('10.1.2.0/24') as Prefix, 1)
    t.equal(lookup(table, address('10.1.2.5')), 1)
    t.end()
  },
)

t.test(`random tables agree with the naive router, seed ${SEED}`, (t) => {
  const random = seededNumbers(SEED)
  // Few different byte values, so that prefixes nest and addresses hit.
  const bytes = (n: number) =>
    Uint8Array.from({ length: n }, () => [0, 1, 128, 255][Math.floor(random() * 4)] as number)
  for (let round = 0; round < 40; round++) {
    const table = new AllowedIps()
    const prefixes: Prefix[] = []
    for (let p = 0; p < 100; p++) {
      const ip = bytes(random() < 0.5 ? 4 : 16)
      const prefix = { address: ip, bits: Math.floor(random() * (ip.length * 8 + 1)) }
      prefixes.push(prefix)
      table.insert(prefix, p)
    }
    for (let n = 0; n < 500; n++) {
      const ip = bytes(random() < 0.5 ? 4 : 16)
      let best = -1
      for (const [p, prefix] of prefixes.entries()) {
        if (inPrefix(ip, prefix) && prefix.bits >= (prefixes[best]?.bits ?? 0)) best = p
      }
      if (lookup(table, ip) !== best) {
        t.fail(`round ${round}: ${ip.join('.')} gave ${lookup(table, ip)}, expected ${best}`)
        break
      }
    }
  }
  t.pass('40 tables of 100 prefixes, 500 addresses each')
  t.end()
})
