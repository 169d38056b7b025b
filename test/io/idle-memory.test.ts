import t from 'tap'
import { IdleMemory } from '../../src/io/idle-memory.js'
import {
  RELEASE_AFTER,
  RELEASE_HEAP_MOST,
  RELEASE_INTERVAL,
  RELEASE_SHARE,
} from '../../src/io/limits.js'

/** A process whose time, CPU time and heap the test sets; each release costs `cost` ms of CPU. */
function process(cost = 30) {
  const state = { now: 0, cpu: 0, heap: 0, released: 0 }
  const memory = new IdleMemory({
    now: () => state.now,
    cpu: () => state.cpu,
    heap: () => state.heap,
    release: () => {
      state.released++
      state.cpu += cost
    },
  })
  /** The next look, `cpu` ms of CPU later. */
  const look = (cpu: number, after = RELEASE_INTERVAL + 1000) => {
    state.now += after
    state.cpu += cpu
    memory.look()
    return state.released
  }
  return { state, look }
}

t.test('what the start or a load left is given back once, when it is quiet', async (t) => {
  const { look } = process()
  t.equal(look(300), 0, 'the first look only looks')
  t.equal(look(2), 1)
  for (let i = 0; i < 20; i++) t.equal(look(2), 1, 'nothing has happened since')
  t.equal(look(4000), 1, 'busy')
  t.equal(look(2), 2)
})

t.test('a process that does a little all the time spends a small share on it', async (t) => {
  const { state, look } = process(200)
  for (let i = 0; i < 2000; i++) look(10)
  const spent = state.released * 200
  t.ok(state.released > 2, `${state.released} times`)
  t.ok(spent < state.cpu * RELEASE_SHARE * 1.1, `${spent} of ${state.cpu} ms`)
})

t.test('looks close to each other count as one', async (t) => {
  const { look } = process()
  look(RELEASE_AFTER * 10)
  for (let i = 0; i < 3; i++) t.equal(look(0, 1000), 0)
  t.equal(look(0, 1500), 1)
})

t.test('a heap full of connections is left alone', async (t) => {
  const { state, look } = process()
  look(500)
  state.heap = RELEASE_HEAP_MOST + 1
  t.equal(look(0), 0)
  state.heap = RELEASE_HEAP_MOST
  t.equal(look(0), 1)
})
