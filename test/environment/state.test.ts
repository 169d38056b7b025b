import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { StateMachine } from '../../src/environment/state.js'

const error = (message: string, hint?: string) =>
  new PvpnError('ERR_DOWN', message, hint === undefined ? {} : { hint })

type Step = readonly [what: string, act: (m: StateMachine) => void, after: string, told: boolean]

const start: Step = ['starting', (m) => m.starting(), 'starting', true]
const up = (told = true): Step => ['up', (m) => m.up(5), 'up', told]
const down = (why: string, told = true): Step => [
  `down: ${why}`,
  (m) => m.down(error(why)),
  `down ${why}`,
  told,
]

const STORIES: Readonly<Record<string, readonly Step[]>> = {
  'the usual life': [
    start,
    up(),
    down('silence'),
    up(),
    ['stop', (m) => m.stopped(), 'stopped', true],
  ],
  'the same again is told once': [start, up(), up(false), down('a'), down('a', false), down('b')],
  'trying says why, and changes nothing else': [
    start,
    ['trying', (m) => m.trying(error('no answer')), 'starting no answer', true],
    ['the same', (m) => m.trying(error('no answer')), 'starting no answer', false],
    up(),
    ['trying while up', (m) => m.trying(error('x')), 'up', false],
    down('silence'),
    ['trying while down', (m) => m.trying(error('refused')), 'down refused', true],
  ],
  'failed stays, until the tunnel or a person says otherwise': [
    start,
    ['failed', (m) => m.failed(error('wrong key')), 'failed wrong key', true],
    ['trying', (m) => m.trying(error('x')), 'failed wrong key', false],
    up(),
  ],
  'stopped is deaf to the tunnel': [
    start,
    up(),
    ['stop', (m) => m.stopped(), 'stopped', true],
    ['up', (m) => m.up(9), 'stopped', false],
    ['down', (m) => m.down(error('x')), 'stopped', false],
    ['trying', (m) => m.trying(error('x')), 'stopped', false],
    ['failed', (m) => m.failed(error('x')), 'stopped', false],
    start,
  ],
}

for (const [name, steps] of Object.entries(STORIES)) {
  t.test(name, async (t) => {
    let changes = 0
    const machine = new StateMachine(() => changes++)
    t.equal(machine.state, 'stopped')
    for (const [what, act, after, told] of steps) {
      changes = 0
      act(machine)
      const now = machine.error === undefined ? '' : ` ${machine.error.message}`
      t.equal(machine.state + now, after, what)
      t.equal(changes, told ? 1 : 0, `${what}: ${told ? 'told once' : 'no news'}`)
    }
  })
}

t.test('it is up since it came up last', async (t) => {
  const machine = new StateMachine(() => undefined)
  machine.starting()
  t.equal(machine.upSince, undefined)
  machine.up(10)
  machine.up(20)
  t.equal(machine.upSince, 10, 'new addresses are no new beginning')
  machine.down(error('silence'))
  t.equal(machine.upSince, undefined)
  machine.up(30)
  t.equal(machine.upSince, 30)
  machine.stopped()
  t.equal(machine.upSince, undefined)
})

t.test('a refusal says the state, why, and what to do', async (t) => {
  const machine = new StateMachine(() => undefined)
  machine.starting()
  t.match(machine.refusal('lab'), {
    code: 'ERR_DOWN',
    message: 'environment "lab" is not up (starting)',
    hint: 'see: pvpn status',
  })
  machine.failed(error('wrong key', 'ask for another'))
  t.match(machine.refusal('lab'), {
    message: 'environment "lab" is not up (failed): wrong key',
    hint: 'ask for another',
  })
})
