/** `engine: openconnect`: what the program asks, what it is told, and what a person is asked. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { PvpnError } from '../../../src/core/errors.js'
import { QUESTION_LABEL } from '../../../src/core/limits.js'
import type { OpenconnectOptions } from '../../../src/core/options.js'
import { plainText } from '../../../src/core/plain-text.js'
import type { Answers } from '../../../src/core/question.js'
import type { TunnelEvent } from '../../../src/core/tunnel.js'
import { EngineTunnel } from '../../../src/tunnel/openconnect/engine-tunnel.js'
import {
  ENGINE_ANSWER_BYTES,
  ENGINE_PROMPTS,
  ENGINE_TEXT,
  OC_SECRET_TRIES,
} from '../../../src/tunnel/openconnect/limits.js'
import { PROMPT_QUIET, SETUP_TIMEOUT } from '../../../src/tunnel/openconnect/timing.js'
import { fuzzRun } from '../../support/fuzz.js'
import { CONNECTED, ENGINE_OPTIONS, Program, VARIABLES } from './engine-world.js'

class World {
  readonly program = new Program()
  readonly tunnel: EngineTunnel
  now = 1000

  constructor(options: Partial<OpenconnectOptions> = {}) {
    this.tunnel = new EngineTunnel({ ...ENGINE_OPTIONS, ...options }, this.program)
    this.tunnel.open(this.now)
  }

  /** The program prints this and waits; what came of it. */
  prints(text: string, cut = text.length): TunnelEvent | undefined {
    for (let at = 0; at < text.length; at += cut) {
      this.program.handlers?.onPrinted(text.slice(at, at + cut), true)
      this.#turn()
      this.now += PROMPT_QUIET - 1
    }
    this.#turn()
    this.now += PROMPT_QUIET
    return this.#turn()
  }

  connects(): void {
    this.program.handlers?.onPrinted(CONNECTED, false)
    this.#turn()
  }

  ends(output = ''): TunnelEvent | undefined {
    this.program.handlers?.onEnd({ output })
    return this.#turn()
  }

  comesUp(): TunnelEvent | undefined {
    this.program.handlers?.onLink(VARIABLES)
    return this.#turn()
  }

  later(time: number): TunnelEvent | undefined {
    this.now += time
    return this.#turn()
  }

  answers(said: Answers): TunnelEvent | undefined {
    this.tunnel.answer(said, this.now)
    return this.tunnel.takeEvent()
  }

  #turn(): TunnelEvent | undefined {
    if (this.tunnel.deadline() <= this.now) this.tunnel.tick(this.now)
    return this.tunnel.takeEvent()
  }
}

function asks(t: Test, event: TunnelEvent | undefined, wanted: object, words?: RegExp): void {
  const error = event !== undefined && 'error' in event ? (event.error as PvpnError) : undefined
  t.equal(event?.kind, 'failed')
  t.match(error?.asks, [wanted])
  t.equal(error?.asks.length, 1)
  if (words !== undefined) t.match(error?.message, words)
}

const ANN = { username: 'ann', password: 'right horse' }
const OTP = 'Please enter your OTP password.\nPassword:'

t.test('a second factor: asked in any cuts, told to the program that waits, once', async (t) => {
  for (const cut of [OTP.length, 7, 1]) {
    const world = new World(ANN)
    t.equal(world.program.input, 'right horse\n')
    world.connects()
    const event = world.prints(`Please enter your password.\n${OTP}`, cut)
    const label = 'Please enter your OTP password. Password'
    const wanted = { field: 'code', label, secret: true, once: true, refused: false }
    asks(t, event, wanted, /^auth failed: vpn.example asks for "Please enter your OTP password/)
    t.same(world.program.told, [])
    t.equal(world.later(SETUP_TIMEOUT * 2), undefined, 'the program waits as long as the person')
    t.equal(world.answers({ code: '123456' }), undefined)
    t.same(world.program.told, ['123456'])
    t.equal(world.prints('\n'), undefined, 'the end of the line that was typed')
    t.match(world.comesUp(), { kind: 'up' })
    world.ends('gone')
    world.later(1000)
    t.equal(world.program.starts, 2)
    world.connects()
    asks(t, world.prints(OTP), { field: 'code', once: true })
    t.same(world.program.told, [], 'a code is not given twice')
  }
})

t.test('nothing is configured: group, name, password, kept for the next login', async (t) => {
  const world = new World()
  t.equal(world.program.input, '')
  world.connects()
  const choices = ['staff', 'guests [old]']
  const group = world.prints('Please enter your username.\nGroup: [staff|guests [old]]:')
  asks(t, group, { field: 'authgroup', secret: false, choices, setting: 'authgroup' })
  asks(t, world.answers({ authgroup: 'bosses' }), { field: 'authgroup', refused: true, choices })
  world.answers({ authgroup: 'guests [old]' })
  asks(t, world.prints('Username:'), { field: 'username', secret: false, setting: 'username' })
  world.answers({ username: 'ann' })
  asks(t, world.prints('Password:'), { field: 'password', once: false, setting: 'password' })
  world.answers({ password: 'right horse' })
  t.same(world.program.told, ['guests [old]', 'ann', 'right horse'])
  world.comesUp()
  world.ends('gone')
  world.later(1000)
  t.equal(world.program.input, 'right horse\n')
  t.ok(world.program.args.includes('--user=ann'))
  t.ok(world.program.args.includes('--authgroup=guests [old]'))
  t.notMatch(world.program.args.join(' '), /horse/)
})

t.test('a wrong password: typed, it is asked for again; configured, that is the end', async (t) => {
  const again = '\nLogin failed.\nPlease enter your password.\nPassword:'
  const typed = new World({ username: 'ann' })
  typed.connects()
  typed.prints('Password:')
  typed.answers({ password: 'wrong' })
  const event = typed.prints(again)
  const label = 'Please enter your password. Password'
  asks(t, event, { field: 'password', label, refused: true }, /refused user "ann": Login failed\.$/)
  typed.answers({ password: 'right horse' })
  t.same([typed.program.starts, typed.program.stops], [2, 1], 'by another login')
  t.equal(typed.program.input, 'right horse\n')

  const configured = new World(ANN)
  configured.connects()
  const refused = configured.prints(again)
  t.match(refused, {
    kind: 'failed',
    error: { code: 'ERR_AUTH', message: /"ann": Login failed\.$/ },
  })
  t.same((refused as { error: PvpnError }).error.asks, [])
  t.equal(configured.program.stops, 1)
  t.equal(configured.tunnel.deadline(), Number.POSITIVE_INFINITY)

  for (const options of [{}, ANN]) {
    const named = new World(options)
    named.connects()
    if (options === ANN) {
      t.match(named.prints('Login failed.\nUsername:'), { kind: 'failed' })
      t.same(named.program.told, [], 'nothing is given a second time')
      continue
    }
    named.prints('Username:')
    named.answers({ username: 'anne' })
    named.prints('Password:')
    named.answers({ password: 'right horse' })
    asks(t, named.prints('Login failed.\nUsername:'), { field: 'username', refused: true })
    named.answers({ username: 'ann' })
    t.ok(named.program.args.includes('--user=ann'))
    t.equal(named.program.input, '', 'the password was part of what is wrong')
    named.connects()
    asks(t, named.prints('Password:'), { field: 'password', refused: false })
  }
})

t.test(
  'a wrong code: asked again where the server does, else with the words of the end',
  async (t) => {
    const world = new World(ANN)
    world.connects()
    world.prints(OTP)
    world.answers({ code: '000000' })
    asks(
      t,
      world.prints(`\nLogin failed.\n${OTP}`),
      { field: 'code', refused: true },
      /Login failed/,
    )
    world.answers({ code: '111111' })
    const end = world.ends('Got HTTP response: HTTP/1.1 401 Authentication failed\n')
    t.match(end, {
      kind: 'failed',
      error: { message: /refused user "ann": Authentication failed$/ },
    })
    t.same((end as { error: PvpnError }).error.asks, [])

    const typed = new World({ username: 'ann' })
    typed.connects()
    typed.prints('Password:')
    typed.answers({ password: 'some horse' })
    typed.prints(OTP)
    typed.answers({ code: '000000' })
    const both = typed.ends('Authentication failed, some horse\n')
    asks(t, both, { field: 'password', refused: true }, /Authentication failed, \*\*\*$/)
    typed.answers({ password: 'right horse' })
    t.equal(typed.program.starts, 2)
    t.equal(typed.program.input, 'right horse\n')
  },
)

t.test('the question of the certificate is answered no, whatever it looks like', async (t) => {
  const refused = 'Certificate from VPN server "v" failed verification.\nReason: signer not found\n'
  for (const prompt of [
    "Enter 'yes' to accept, 'no' to abort; anything else to view: ",
    'Password:',
  ]) {
    const world = new World(ANN)
    t.equal(world.prints(refused + prompt), undefined)
    t.same(world.program.told, ['no'])
    t.match(world.ends(refused), {
      kind: 'failed',
      error: { message: /refused: signer not found/ },
    })
  }
  const world = new World()
  world.connects()
  world.prints("Enter 'yes' to accept, ")
  t.same(world.program.told, ['no'])
})

t.test(
  'a locked key: its password is asked for before there is TLS, and goes nowhere else',
  async (t) => {
    const tls = { files: { certificate: '/me.pem', key: '/me.key' } }
    const world = new World({ ...ANN, tls })
    t.equal(world.program.input, '', 'the program would try the password on the key')
    const prompt = 'Enter PEM pass phrase:'
    asks(t, world.prints(prompt), {
      field: 'key_password',
      refused: false,
      setting: 'key_password',
    })
    world.answers({ key_password: 'wrong' })
    asks(t, world.prints(`\nDecrypting PEM key failed\n${prompt}`), { refused: true }, /not open/)
    world.answers({ key_password: 'secret' })
    world.connects()
    t.equal(world.prints('\nPassword:'), undefined)
    t.same(world.program.told, ['wrong', 'secret', 'right horse'])
    asks(t, world.prints('Enter PEM pass phrase:'), { field: 'code' })

    const configured = new World({ ...ANN, tls: { ...tls, keyPassword: 'wrong' } })
    t.equal(configured.prints(prompt), undefined)
    t.same(configured.program.told, ['wrong'])
    const end = configured.prints(prompt)
    t.match(end, { kind: 'failed', error: { message: /does not open with key_password/ } })
    t.equal(configured.program.stops, 1)
  },
)

t.test('three logins with a code that come to nothing in unknown words', async (t) => {
  const world = new World({ username: 'ann' })
  let end: TunnelEvent | undefined
  for (let i = 0; i < OC_SECRET_TRIES; i++) {
    world.connects()
    if (i === 0) {
      world.prints('Password:')
      world.answers({ password: 'horse' })
    }
    world.prints(OTP)
    world.answers({ code: '000000' })
    end = world.ends('Sorry, no seat for you\n')
    if (i < OC_SECRET_TRIES - 1) t.match(end, { kind: 'trying' })
    world.later(60_000)
  }
  asks(t, end, { field: 'password', refused: true }, /3 times .*: Sorry, no seat for you$/)
  t.equal(world.program.starts, OC_SECRET_TRIES)
})

t.test(
  'a server that says nothing after the password; and one that asks without end',
  async (t) => {
    const world = new World(ANN)
    for (let i = 1; i < OC_SECRET_TRIES; i++) {
      world.connects()
      t.match(world.later(SETUP_TIMEOUT), { kind: 'trying', error: { code: 'ERR_TIMEOUT' } })
      t.equal(world.program.stops, i)
      world.later(60_000)
    }
    world.connects()
    t.match(world.later(SETUP_TIMEOUT), { kind: 'failed', error: { code: 'ERR_AUTH' } })

    const endless = new World({ username: 'ann' })
    endless.connects()
    let event: TunnelEvent | undefined
    for (let i = 0; event === undefined && i < 1000; i++) event = endless.prints('Username:')
    t.match(event, { kind: 'trying', error: { code: 'ERR_PROTOCOL' } })
    t.equal(endless.program.told.length, ENGINE_PROMPTS)
  },
)

t.test('a question stands when its program ends: the answer begins the next login', async (t) => {
  const world = new World({ username: 'ann' })
  world.connects()
  world.prints('Password:')
  t.equal(world.ends('killed'), undefined)
  t.equal(world.tunnel.deadline(), Number.POSITIVE_INFINITY)
  world.answers({ password: 'horse' })
  t.equal(world.program.input, 'horse\n')
  world.connects()
  world.prints(OTP)
  world.ends('killed')
  world.answers({ code: '123456' })
  t.equal(world.program.starts, 3)
  t.same(world.program.told, [])
  t.equal(world.answers({ code: '123456' }), undefined, 'nothing is asked')
})

t.test('one that went on by itself is told nothing', async (t) => {
  const world = new World(ANN)
  world.connects()
  asks(t, world.prints('Some progr'), { field: 'code' })
  world.prints('ess\n')
  world.answers({ code: '123456' })
  t.same(world.program.told, [])
})

t.test('an answer is one line', async (t) => {
  for (const code of ['1\nyes', '1\ryes', '1\0', 'ä'.repeat(ENGINE_ANSWER_BYTES / 2 + 1)]) {
    const world = new World(ANN)
    world.connects()
    world.prints(OTP)
    asks(t, world.answers({ code }), { field: 'code', refused: true })
    t.same(world.program.told, [])
  }
  const long = 'x'.repeat(ENGINE_ANSWER_BYTES + 1)
  for (const options of [{ password: long }, { tls: { keyPassword: 'a\nb' } }]) {
    const world = new World(options)
    t.match(world.tunnel.takeEvent(), { kind: 'failed', error: { code: 'ERR_CONFIG' } })
    t.equal(world.program.starts, 0)
  }
  const most = new World({ password: long.slice(1) })
  t.equal(most.program.starts, 1)
})

t.test('hostile words', async (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.constantFrom('\n', ':', '[a|b]:', 'Login failed.'),
        ),
      ),
      fc.integer({ min: 1, max: 20 }),
      (pieces, cut) => {
        const world = new World(ANN)
        world.connects()
        const event = world.prints(pieces.join(''), cut)
        if (event === undefined || !('error' in event)) return
        for (const { label } of event.error.asks) {
          if (label !== plainText(label, QUESTION_LABEL)) throw new Error(label)
        }
      },
    ),
    fuzzRun,
  )
  const world = new World(ANN)
  world.connects()
  const flood = world.prints('x'.repeat(20 * ENGINE_TEXT))
  t.ok(flood !== undefined && 'error' in flood && flood.error.message.length < 300)
})
