import t from 'tap'
import { failures } from '../../scripts/tap-failures.js'

const TAP = `TAP version 14
# Subtest: build/test/one.test.js
    # Subtest: the outer
        ok 1 - fine
        not ok 2 - should be equal
          ---
          diff: |
            -1000
            +923
          ...

        not ok 3 - not yet # TODO
        1..3
    not ok 1 - the outer # time=3.5ms
      ---
      at: elsewhere
      ...

    not ok 2 - timeout!
      ---
      expired: the outer
      ...
    1..2
not ok 1 - build/test/one.test.js # time=9ms
  ---
  exitCode: 1
  ...

ok 2 - build/test/two.test.js # time=9ms
# Subtest: build/test/three.test.js
    1..0
not ok 3 - build/test/three.test.js
1..3
`

t.test('the innermost failures, each once, with the tests around them', async (t) => {
  t.same(failures(TAP), [
    {
      name: 'build/test/one.test.js > the outer > should be equal',
      detail: ['diff: |', '  -1000', '  +923'],
    },
    { name: 'build/test/one.test.js > timeout!', detail: ['expired: the outer'] },
    { name: 'build/test/three.test.js', detail: [] },
  ])
})

t.test('details are cut, and a block without end is none', async (t) => {
  const long = Array.from({ length: 100 }, (_, i) => `  line ${i}`).join('\n')
  t.equal(failures(`not ok 1 - a\n  ---\n${long}\n  ...\n`)[0]?.detail.length, 40)
  t.same(failures('not ok 1 - a\n  ---\n  b: c\n')[0]?.detail, [])
  t.same(failures('ok 1 - a\n'), [])
})
