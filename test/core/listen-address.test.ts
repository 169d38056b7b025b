import t from 'tap'
import {
  formatListenAddress,
  isLoopback,
  listenProblem,
  plainAddress,
} from '../../src/core/listen-address.js'

t.test('what is loopback', async (t) => {
  for (const yes of [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '::ffff:127.0.0.1',
    '::1%lo',
    '0:0::1',
  ]) {
    t.ok(isLoopback(yes), yes)
  }
  for (const no of [
    '0.0.0.0',
    '128.0.0.1',
    '126.255.255.255',
    '::',
    '::2',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    'localhost',
    '',
    '127.1',
    '2130706433',
    '127.0.0.1.nip.io',
    '0177.0.0.1',
  ]) {
    t.notOk(isLoopback(no), no)
  }
})

t.test('addresses as sockets report them become plain', async (t) => {
  t.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
  t.equal(plainAddress('2001:DB8:0::1'), '2001:db8::1')
  t.equal(plainAddress('not an address'), 'not an address')
})

t.test('off loopback a listener needs users, or a word that it does not', async (t) => {
  const tcp = (address: string) => ({ kind: 'tcp', address, port: 1081 }) as const
  const open = { authenticated: false, allowUnauthenticated: false }
  for (const address of ['127.0.0.1', '::1']) t.equal(listenProblem(tcp(address), open), undefined)
  t.equal(listenProblem({ kind: 'unix', path: '/run/x' }, open), undefined)
  for (const address of ['0.0.0.0', '::', '192.0.2.1', 'fe80::1%eth0', '::ffff:192.0.2.1']) {
    t.match(listenProblem(tcp(address), open), /can be reached from other machines/)
    t.equal(listenProblem(tcp(address), { ...open, authenticated: true }), undefined)
    t.equal(listenProblem(tcp(address), { ...open, allowUnauthenticated: true }), undefined)
  }
  t.match(listenProblem(tcp('::'), open), /^\[::\]:1081 /)
})

t.test('as text', async (t) => {
  t.equal(formatListenAddress({ kind: 'tcp', address: '::1', port: 1 }), '[::1]:1')
  t.equal(formatListenAddress({ kind: 'unix', path: '/run/p.sock' }), 'unix:/run/p.sock')
})
