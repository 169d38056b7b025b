import t from 'tap'
import { systemClock } from '../../src/io/clock.js'

const soon = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

t.test('clock runs at the time or after it, never before', async (t) => {
  for (const delay of [0, 0.4, 1, 1.7, 12.3]) {
    const when = systemClock.now() + delay
    const at = await new Promise<number>((resolve) => {
      systemClock.at(when, () => resolve(systemClock.now()))
    })
    t.ok(at >= when, `${delay} ms: ${at - when} ms late`)
  }
})

t.test('clock is never early by the part of a millisecond', async (t) => {
  let early = 0
  for (let n = 0; n < 200; n++) {
    const when = systemClock.now() + 0.4
    await new Promise<void>((resolve) => {
      systemClock.at(when, () => {
        if (systemClock.now() < when) early++
        resolve()
      })
    })
  }
  t.equal(early, 0)
})

t.test('clock runs what lies in the past, but not inside the call', async (t) => {
  let ran = false
  systemClock.at(systemClock.now() - 1000, () => {
    ran = true
  })
  t.notOk(ran)
  await soon(20)
  t.ok(ran)
})

t.test('clock forgets what was cancelled, also twice and afterwards', async (t) => {
  let runs = 0
  const count = (): void => {
    runs++
  }
  const cancel = systemClock.at(systemClock.now() + 5, count)
  cancel()
  cancel()
  const late = systemClock.at(systemClock.now() + 1, count)
  await soon(30)
  late()
  t.equal(runs, 1)
})

t.test('clock takes far and endless times without firing', async (t) => {
  let fired = false
  const cancels = [systemClock.now() + 2 ** 40, Number.POSITIVE_INFINITY].map((when) =>
    systemClock.at(when, () => {
      fired = true
    }),
  )
  await soon(20)
  t.notOk(fired)
  for (const cancel of cancels) cancel()
})

t.test('clock is monotonic', (t) => {
  let last = systemClock.now()
  let steps = 0
  for (let n = 0; n < 10_000; n++) {
    const now = systemClock.now()
    if (now < last) steps++
    last = now
  }
  t.equal(steps, 0)
  t.end()
})
