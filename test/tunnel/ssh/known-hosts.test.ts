/** known_hosts as OpenSSH reads it. */
import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { matchesPatterns, matchesWildcard } from '../../../src/core/host-pattern.js'
import { orderHostKeyAlgorithms, refuseHostKey } from '../../../src/tunnel/ssh/host-key.js'
import {
  checkHostKey,
  knownKeyTypes,
  lookupNames,
  parseKnownHosts,
} from '../../../src/tunnel/ssh/known-hosts.js'
import { fuzzRun } from '../../support/fuzz.js'

function blob(type: string, seed: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(type.length)
  return Buffer.concat([length, Buffer.from(type), Buffer.alloc(32, seed)])
}

const ED = blob('ssh-ed25519', 1)
const ED2 = blob('ssh-ed25519', 2)
const RSA = blob('ssh-rsa', 3)
const line = (
  names: string,
  key: Buffer,
  type = key.toString('latin1', 4, 4 + key.readUInt32BE(0)),
) => `${names} ${type} ${key.toString('base64')} a comment\n`
const parse = (text: string) => parseKnownHosts(text, 'known')
const check = (text: string, host: string, port: number, key: Buffer, alias?: string) =>
  checkHostKey(parse(text), { host, port, ...(alias === undefined ? {} : { alias }) }, key).kind

function hashed(name: string): string {
  const salt = randomBytes(20)
  const hash = createHmac('sha1', salt).update(name).digest('base64')
  return `|1|${salt.toString('base64')}|${hash}`
}

t.test('plain names, ports, several on a line', async (t) => {
  t.equal(check(line('gate.example,192.0.2.1', ED), 'GATE.example', 22, ED), 'known')
  t.equal(check(line('gate.example,192.0.2.1', ED), '192.0.2.1', 22, ED), 'known')
  t.equal(check(line('[gate.example]:2222', ED), 'gate.example', 2222, ED), 'known')
  t.equal(check(line('[gate.example]:2222', ED), 'gate.example', 22, ED), 'unknown')
  t.equal(check(line('gate.example', ED), 'gate.example', 2222, ED), 'known', 'then the plain name')
  t.equal(
    check(line('gate.example', ED2), 'gate.example', 2222, ED),
    'unknown',
    'which says nothing of a change',
  )
  const both = line('[gate.example]:2222', ED2) + line('gate.example', ED)
  t.equal(check(both, 'gate.example', 2222, ED), 'changed', 'the port says more')
  t.same(lookupNames({ host: 'A', port: 23 }), ['[a]:23', 'a'])
})

t.test('hashed names', async (t) => {
  t.equal(check(line(hashed('gate.example'), ED), 'gate.example', 22, ED), 'known')
  t.equal(check(line(hashed('[gate.example]:2222'), ED), 'gate.example', 2222, ED), 'known')
  t.equal(check(line(hashed('other.example'), ED), 'gate.example', 22, ED), 'unknown')
  t.equal(parse('|1|short|x ssh-ed25519 AAAA\n|2|a|b ssh-ed25519 AAAA').length, 0)
})

t.test('wildcards and negation', async (t) => {
  t.equal(check(line('*.example,!bad.example', ED), 'gate.example', 22, ED), 'known')
  t.equal(check(line('*.example,!bad.example', ED), 'bad.example', 22, ED), 'unknown')
  t.equal(check(line('gate?.example', ED), 'gate1.example', 22, ED), 'known')
  t.ok(
    matchesWildcard(`${'a'.repeat(5000)}b`, `${'*a'.repeat(500)}*b`),
    'without turning in circles',
  )
  t.notOk(matchesPatterns('x', ['!x', '*']))
})

t.test('changed, revoked, authorities, aliases', async (t) => {
  t.equal(check(line('gate', ED2), 'gate', 22, ED), 'changed')
  t.equal(check(line('gate', ED2) + line('gate', ED), 'gate', 22, ED), 'known', 'one of two')
  t.equal(check(line('gate', RSA), 'gate', 22, ED), 'unknown', 'another type is no change')
  t.equal(check(line('gate', ED) + line('@revoked *', ED), 'gate', 22, ED), 'revoked')
  t.equal(
    check(line('@cert-authority *', ED), 'gate', 22, ED),
    'unknown',
    'an authority is no host',
  )
  t.equal(check(line('@unheard-of gate', ED), 'gate', 22, ED), 'unknown')
  t.equal(check(line('inner', ED), 'gate', 2222, ED, 'inner'), 'known')
  t.equal(check(line('[inner]:2222', ED), 'gate', 2222, ED, 'inner'), 'unknown')
})

t.test('lines that are none are left out', async (t) => {
  const text = `# a comment\n\ngate\ngate ssh-ed25519\ngate ssh-ed25519 !!!!\ngate ssh-rsa ${ED.toString('base64')}\n${line('gate', ED)}`
  t.same(
    parse(text).map((entry) => entry.line),
    [7],
  )
})

t.test('known types are asked for first', async (t) => {
  const known = parse(line('gate', RSA) + line('@revoked gate', ED))
  const types = knownKeyTypes(known, { host: 'gate', port: 22 })
  t.same(types, ['ssh-rsa'])
  t.same(orderHostKeyAlgorithms(types).slice(0, 2), ['rsa-sha2-512', 'rsa-sha2-256'])
  t.same(knownKeyTypes(known, { host: 'gate', port: 2222 }), ['ssh-rsa'])
  t.equal(orderHostKeyAlgorithms([])[0], 'ssh-ed25519')
})

t.test('what is said', async (t) => {
  const say = (text: string, alias?: string) =>
    refuseHostKey(
      { entries: parse(text), writeTo: '~/known' },
      { host: 'gate', port: 2222, ...(alias === undefined ? {} : { alias }) },
      { key: ED, fingerprint: 'SHA256:abc' },
    )
  t.match(say(''), { code: 'ERR_AUTH', message: /gate:2222 is not known: ssh-ed25519 SHA256:abc/ })
  t.match(say('')?.message, /ssh-keyscan -t ed25519 -p 2222 gate >> ~\/known/)
  t.match(say('', 'inner')?.message, /sed 's\/\^\[\^ \]\*\/inner\/'/)
  t.match(say(line('gate', RSA))?.message, /not known/)
  t.match(say(line('[gate]:2222', RSA))?.message, /ssh-rsa is known, known:1/)
  t.match(say(line('@cert-authority [gate]:2222', RSA))?.message, /known:1 trusts an authority/)
  t.match(say(line('[gate]:2222', ED2)), {
    message: /HAS CHANGED.*known:1 has another/,
    hint: /ssh-keygen -R '\[gate\]:2222'/,
  })
  t.equal(say(line('gate', ED)), undefined)
})

t.test('whatever stands in the file', async () => {
  const word = fc.oneof(
    fc.constantFrom(
      '@revoked',
      '@cert-authority',
      '*',
      'gate',
      '!gate',
      'ssh-ed25519',
      '|1|',
      '#',
      ED.toString('base64'),
      hashed('gate'),
    ),
    fc.string({ maxLength: 30 }),
  )
  const text = fc
    .array(fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')))
    .map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), fc.string(), (content, host) => {
      const entries = parse(content)
      const { kind } = checkHostKey(entries, { host, port: 22 }, ED)
      // Only a line with this very key says that it is known.
      return kind !== 'known' || content.includes(ED.toString('base64'))
    }),
    fuzzRun,
  )
})
