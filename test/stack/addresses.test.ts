import t from 'tap'
import { formatIp, parseIp } from '../../src/core/ip.js'
import type { Bytes } from '../../src/core/types.js'
import { Addresses, impossibleSource, isGroup } from '../../src/stack/addresses.js'

const ip = (text: string) => parseIp(text) as Bytes

t.test('which are ours', async (t) => {
  const addresses = new Addresses()
  t.notOk(addresses.has(4))
  t.equal(addresses.first(4), undefined)
  addresses.set(['nonsense', '10.0.0.1/24', '10.0.0.2', 'fd00::1/64'])
  t.ok(addresses.has(4) && addresses.has(6))
  t.equal(formatIp(addresses.first(4) as Bytes), '10.0.0.1')
  t.equal(formatIp(addresses.first(6) as Bytes), 'fd00::1')
  for (const yes of ['10.0.0.1', '10.0.0.2', 'fd00::1']) t.ok(addresses.isLocal(ip(yes)), yes)
  for (const no of ['10.0.0.3', '10.0.0.0', 'fd00::2']) t.notOk(addresses.isLocal(ip(no)), no)
  t.ok(addresses.ours(new Uint8Array([9, 10, 0, 0, 2, 9]), 1, 4))
  t.notOk(addresses.ours(new Uint8Array(16), 0, 16))
  addresses.set([])
  t.notOk(addresses.isLocal(ip('10.0.0.1')))
})

t.test(
  'the source for a destination: its family and scope, the longest prefix, the first',
  async (t) => {
    const addresses = new Addresses()
    addresses.set([
      '169.254.3.3/16',
      '192.168.9.52/24',
      '10.0.0.1/8',
      '10.1.0.1/16',
      '10.1.0.2/16',
      'fe80::5/64',
      'fd00::1/64',
      '2001:db8::1/64',
    ])
    const expected: Readonly<Record<string, string>> = {
      '10.2.0.9': '10.0.0.1',
      '10.1.2.3': '10.1.0.1',
      '10.1.0.2': '10.1.0.1',
      '192.168.9.1': '192.168.9.52',
      '8.8.8.8': '192.168.9.52',
      '169.254.9.9': '169.254.3.3',
      'fe80::9': 'fe80::5',
      'fd00::77': 'fd00::1',
      '2001:db8::9': '2001:db8::1',
      '2606::1': 'fd00::1',
    }
    for (const [destination, source] of Object.entries(expected)) {
      t.equal(formatIp(addresses.sourceFor(ip(destination)) as Bytes), source, destination)
    }
    addresses.set(['10.0.0.1/32'])
    t.equal(formatIp(addresses.sourceFor(ip('8.8.8.8')) as Bytes), '10.0.0.1', 'outside of it too')
    t.equal(addresses.sourceFor(ip('::1')), undefined)
  },
)

t.test('sources that no network can have', async (t) => {
  const impossible = (text: string) => impossibleSource(ip(text), 0, ip(text).length)
  for (const yes of [
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '127.255.0.1',
    '224.0.0.1',
    '239.1.1.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'ff02::1',
  ]) {
    t.ok(impossible(yes), yes)
  }
  for (const no of [
    '1.0.0.1',
    '126.0.0.1',
    '128.0.0.1',
    '223.255.255.255',
    '::2',
    '::1:0',
    '1::',
    'fe80::1',
    'fd00::1',
    '100::1',
  ]) {
    t.notOk(impossible(no), no)
  }
})

t.test('groups', async (t) => {
  const group = (text: string) => isGroup(ip(text), 0, ip(text).length)
  for (const yes of ['224.0.0.0', '239.255.255.255', '255.255.255.255', 'ff00::', 'ff02::1']) {
    t.ok(group(yes), yes)
  }
  for (const no of ['223.255.255.255', '10.0.0.255', 'fe80::1', '::']) t.notOk(group(no), no)
})
