/** `engine: openconnect`: arguments, variables, words, and the tunnel with a program that the test plays. */
import fc from 'fast-check'
import t from 'tap'
import { parseIp } from '../../../src/core/ip.js'
import type { OpenconnectOptions } from '../../../src/core/options.js'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import { engineArguments } from '../../../src/tunnel/openconnect/engine-arguments.js'
import { EngineTunnel } from '../../../src/tunnel/openconnect/engine-tunnel.js'
import { engineSettings } from '../../../src/tunnel/openconnect/engine-variables.js'
import { engineError } from '../../../src/tunnel/openconnect/engine-words.js'
import {
  OC_MESSAGE,
  OC_NAMES,
  OC_ROUTES,
  OC_SECRET_TRIES,
} from '../../../src/tunnel/openconnect/limits.js'
import { linkOf, Reachable } from '../../../src/tunnel/openconnect/link.js'
import { fuzzRun } from '../../support/fuzz.js'
import { CONNECTED, ENGINE_OPTIONS as OPTIONS, Program, VARIABLES } from './engine-world.js'

const ip = (text: string) => parseIp(text) ?? new Uint8Array(4)

t.test('arguments: each field, nothing secret', async (t) => {
  const all: OpenconnectOptions = {
    ...OPTIONS,
    place: { host: 'fd00::1', port: 8443, path: '/staff' },
    username: 'ann',
    password: 'right horse',
    authgroup: '--help',
    form: { code: 'other secret' },
    tls: {
      pin: 'PIN=',
      keyPassword: 'third secret',
      key: 'fourth secret',
      files: { ca: '/ca', certificate: '/cert', key: '/key' },
    },
    dtls: true,
  }
  const found = engineArguments(all)
  for (const wanted of [
    ...['--protocol=gp', '--passwd-on-stdin', '--script-tun', '--user=ann'],
    ...['--authgroup=--help', '--cafile=/ca', '--no-system-trust', '--certificate=/cert'],
    ...['--sslkey=/key', '--servercert=pin-sha256:PIN='],
  ]) {
    t.ok(found.includes(wanted), wanted)
  }
  t.same(found.slice(-2), ['--', 'https://[fd00::1]:8443/staff'])
  t.notMatch(found.join(' '), /horse|secret|no-dtls/)
  const few = engineArguments(OPTIONS)
  t.ok(few.includes('--no-dtls'))
  t.notMatch(few.join(' '), /servercert|cafile|no-system-trust|user=|passwd/)
})

t.test('variables', async (t) => {
  const settings = engineSettings(VARIABLES)
  if (settings === undefined) throw new Error('no settings')
  t.same(linkOf(settings), {
    addresses: ['192.168.9.52/24', 'fd00:9::5/64'],
    dns: ['192.168.10.1', '192.168.10.2'],
    search: ['site.example'],
    mtu: 1390,
    banner: 'Welcome 100%',
  })
  const reachable = new Reachable(settings)
  t.ok(reachable.has(ip('192.168.11.10')))
  t.notOk(reachable.has(ip('192.168.11.200')), 'taken out')
  t.notOk(reachable.has(ip('192.168.13.10')))
  t.equal(engineSettings(new Map()), undefined)
  t.equal(engineSettings(new Map([['INTERNAL_IP4_ADDRESS', 'x']])), undefined)
})

t.test('variables: bounds and fuzz', async (t) => {
  const many = new Map(VARIABLES)
  many.set('CISCO_SPLIT_INC', '999999')
  many.set('INTERNAL_IP4_DNS', Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`).join(' '))
  for (let i = 0; i < OC_ROUTES + 50; i++) {
    many.set(`CISCO_SPLIT_INC_${i}_ADDR`, `10.${i >> 8}.${i & 255}.0`)
    many.set(`CISCO_SPLIT_INC_${i}_MASKLEN`, '24')
  }
  t.equal(engineSettings(many)?.routes.length, OC_ROUTES)
  t.equal(engineSettings(many)?.dns.length, OC_NAMES)
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('1', '-1', '1e9', '99', '10.0.0.1', 'fd00::/64', '300.1.1.1', '\0'),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...VARIABLES.keys()), value)), (changes) => {
      const settings = engineSettings(new Map([...VARIABLES, ...changes]))
      if (settings === undefined) return
      const { mtu } = linkOf(settings)
      new Reachable(settings).has(ip('192.168.11.10'))
      if (!(mtu >= 576 && mtu <= 1500)) throw new Error(`MTU ${mtu}`)
    }),
    fuzzRun,
  )
})

t.test('words', async (t) => {
  const names = { host: 'vpn.example', username: 'ann', password: 'horse' }
  const cases: readonly [output: string, code: string, words: RegExp][] = [
    ['Login failed.\nfgets (stdin): x', 'ERR_AUTH', /refused user "ann": Login failed\.$/],
    [
      `Certificate from VPN server "v" failed verification.\nReason: signer not found\n --servercert pin-sha256:${'A'.repeat(43)}=`,
      'ERR_AUTH',
      /is refused: signer not found; its key is pin-sha256:A{43}=$/,
    ],
    [
      'None of the 1 fingerprint(s) specified via --servercert match',
      'ERR_AUTH',
      /another than server_pin says/,
    ],
    ['Failed to open certificate file /x: gone', 'ERR_CONFIG', /Failed to open certificate file/],
    ["Unknown VPN protocol 'array'", 'ERR_UNSUPPORTED', /too old/],
    ["getaddrinfo failed for host 'v'", 'ERR_NAME', /does not resolve/],
    ['one\nFailed to connect to host v', 'ERR_DOWN', /ended: Failed to connect to host v$/],
    ['', 'ERR_DOWN', /^openconnect has ended$/],
    ['you said horse\u001b[2J', 'ERR_DOWN', /you said \*\*\*/],
  ]
  for (const [output, code, words] of cases) {
    const error = engineError({ output }, names)
    t.equal(error.code, code, output)
    t.match(error.message, words)
    t.notOk(error.message.includes('horse') || error.message.includes('\u001b'))
  }
  t.equal(engineError({ output: '', missing: 'program' }, names).hint, 'apt install openconnect')
  t.match(engineError({ output: '', missing: 'relay' }, names).message, /native parts/)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 9000 }), (output) => {
      const { message } = engineError({ output: `Login failed ${output}` }, names)
      if (message.length > OC_MESSAGE + 100) throw new Error(`${message.length}`)
    }),
    fuzzRun,
  )
})

t.test('the tunnel: up, packets, down, back-off, failed', async (t) => {
  const program = new Program()
  const tunnel = new EngineTunnel({ ...OPTIONS, password: 'horse' }, program)
  tunnel.open(0)
  t.equal(program.input, 'horse\n')
  program.handlers?.onLink(VARIABLES)
  tunnel.tick(tunnel.deadline())
  t.match(tunnel.takeEvent(), { kind: 'up', link: { mtu: 1390 } })
  t.equal(tunnel.endpoint, '203.0.113.6:443')
  t.ok(tunnel.routes(ip('192.168.11.10')))

  const batch = new PacketBatch({ capacity: 4, packetSize: 2048 })
  const packet = (to: string, length = 40) => {
    const bytes = new Uint8Array(length)
    bytes[0] = 0x45
    bytes.set(ip(to), 16)
    return bytes
  }
  for (const bytes of [
    packet('192.168.11.10'),
    packet('192.168.13.10'),
    packet('192.168.11.10', 1391),
  ]) {
    batch.push(bytes)
  }
  tunnel.transmit(batch, 0)
  t.same([...batch.length.subarray(0, 3)], [40, 0, 0])
  t.match(tunnel.counters, { packetsOut: 1, drops: { route: 1, size: 1 } })
  batch.reset()
  batch.push(packet('192.168.9.52'))
  batch.push(Uint8Array.of(1, 2, 3))
  tunnel.receive(batch, 0)
  t.same([...batch.length.subarray(0, 2)], [40, 0])

  let now = 1000
  for (const wait of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const { starts } = program
    program.handlers?.onEnd({ output: 'gone' })
    tunnel.tick(now)
    t.match(tunnel.takeEvent(), { kind: wait === 1 ? 'down' : 'trying' })
    t.notOk(tunnel.routes(ip('192.168.11.10')))
    t.equal(tunnel.deadline(), now + wait * 1000)
    now = tunnel.deadline()
    tunnel.tick(now)
    t.equal(program.starts, starts + 1)
  }
  program.handlers?.onEnd({ output: 'Login failed' })
  tunnel.tick(now)
  t.match(tunnel.takeEvent(), { kind: 'failed', error: { code: 'ERR_AUTH' } })
  t.equal(tunnel.deadline(), Number.POSITIVE_INFINITY, 'a wrong password is not tried twice')
  tunnel.close(now)
  t.equal(program.stops, 1)
})

t.test('a refusal in words that nobody knows: three times the password, and no more', async (t) => {
  const connected = CONNECTED
  const run = (outputs: readonly string[], password?: string) => {
    const program = new Program()
    const given = password === undefined ? {} : { password }
    const tunnel = new EngineTunnel({ ...OPTIONS, ...given }, program)
    tunnel.open(0)
    t.equal(tunnel.endpoint, 'vpn.example:443')
    const kinds: string[] = []
    let error: Error | undefined
    for (const output of outputs) {
      if (output === 'up') program.handlers?.onLink(VARIABLES)
      else {
        program.handlers?.onPrinted(output, false)
        program.handlers?.onEnd({ output })
      }
      tunnel.tick(0)
      const event = tunnel.takeEvent()
      kinds.push(event?.kind ?? 'none')
      if (event !== undefined && 'error' in event) error = event.error
      if (tunnel.deadline() < 1e9) tunnel.tick(tunnel.deadline())
    }
    return { kinds, error, starts: program.starts }
  }
  const odd = `${connected}Sorry, your account has no seat\n`
  const found = run([odd, odd, odd], 'horse')
  t.same(found.kinds, ['trying', 'trying', 'failed'])
  t.equal(found.starts, OC_SECRET_TRIES)
  t.match(found.error, {
    code: 'ERR_AUTH',
    message: /3 times .*: Sorry, your account has no seat$/,
  })
  const away = 'Failed to connect to host vpn.example\n'
  const broken = `${connected}Unexpected 502 result from server\n`
  for (const output of [away, broken]) {
    t.notOk(run(Array(9).fill(output), 'horse').kinds.includes('failed'), output)
  }
  t.notOk(run(Array(9).fill(odd)).kinds.includes('failed'), 'there is no password')
  const between = run([odd, odd, 'up', 'gone', odd, odd], 'horse')
  t.notOk(between.kinds.includes('failed'), 'it was right once')
})

t.test('a link without an address', async (t) => {
  const program = new Program()
  const tunnel = new EngineTunnel(OPTIONS, program)
  tunnel.open(0)
  program.handlers?.onLink(new Map())
  tunnel.tick(0)
  t.match(tunnel.takeEvent(), { kind: 'trying', error: { code: 'ERR_PROTOCOL' } })
  t.equal(program.stops, 1)
  t.equal(tunnel.deadline(), 1000)
})
