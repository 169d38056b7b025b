/** What the demo tells a person to type. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { splitName } from '../../src/cli/browser/targets.js'
import { ownCommand } from '../../src/cli/demo/own-command.js'

t.test("the program's name, as it can be typed here", async (t) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'pvpn-own-')))
  t.teardown(() => rmSync(root, { recursive: true }))
  for (const folder of ['bin', 'path', 'other']) mkdirSync(join(root, folder))
  const script = join(root, 'bin/pvpn')
  writeFileSync(script, '')
  chmodSync(script, 0o755)
  symlinkSync(script, join(root, 'path/pvpn'))
  writeFileSync(join(root, 'other/pvpn'), '')
  t.equal(ownCommand(script, `/nowhere:${root}/path`, '/'), 'pvpn', 'by a link in the path')
  t.equal(ownCommand(join(root, 'path/pvpn'), `${root}/bin`, '/'), 'pvpn')
  t.equal(ownCommand(script, '/nowhere', root), 'bin/pvpn')
  t.equal(ownCommand(script, undefined, join(root, 'other')), script)
  t.equal(ownCommand(script, `${root}/other`, root), 'bin/pvpn', "another pvpn's name is not ours")
})

t.test('pvpn browser: an environment, or pages and options only', async (t) => {
  t.same(splitName(undefined, []), { name: undefined, words: [] })
  t.same(splitName('office', ['x']), { name: 'office', words: ['x'] })
  for (const word of ['http://x/', '192.168.11.10', 'build:8080', '--headless', '[::1]']) {
    t.same(splitName(word, ['y']), { name: undefined, words: [word, 'y'] }, word)
  }
})
