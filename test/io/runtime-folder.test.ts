import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  checkRuntimeFolder,
  makeRuntimeFolder,
  runtimeFolder,
  writeToken,
} from '../../src/io/runtime-folder.js'

const base = mkdtempSync(join(tmpdir(), 'pvpn-runtime-'))
const at = (name: string) => runtimeFolder({ PVPN_RUNTIME_DIR: join(base, name) })
const root = process.getuid?.() === 0

t.test('the folder is chosen by variables, user and nothing else', async (t) => {
  const xdg = { XDG_RUNTIME_DIR: '/run/user/7' }
  t.equal(runtimeFolder({ ...xdg, PVPN_RUNTIME_DIR: '/x/y' }, 7).path, '/x/y')
  t.equal(runtimeFolder({ ...xdg, PVPN_RUNTIME_DIR: '' }, 7).path, '/run/user/7/pvpn')
  t.equal(runtimeFolder(xdg, 0).path, '/run/user/7/pvpn')
  t.equal(runtimeFolder({}, 0).path, '/run/pvpn')
  t.equal(runtimeFolder({}, 7).path, '/tmp/pvpn-7')
  t.equal(runtimeFolder({ PVPN_RUNTIME_DIR: 'here' }, 7).path, join(process.cwd(), 'here'))
  t.equal(runtimeFolder({}, 7).controlSocket, '/tmp/pvpn-7/control.sock')
})

t.test('a folder is made for its owner alone, and made so when it was not', async (t) => {
  const fresh = at('fresh/deep')
  t.equal(await checkRuntimeFolder(fresh), false)
  await makeRuntimeFolder(fresh)
  await makeRuntimeFolder(fresh)
  t.equal(statSync(fresh.path).mode & 0o777, 0o700)
  t.equal(await checkRuntimeFolder(fresh), true)
  const open = at('open')
  mkdirSync(open.path)
  chmodSync(open.path, 0o775)
  await makeRuntimeFolder(open)
  t.equal(statSync(open.path).mode & 0o777, 0o700)
})

t.test('a place where nothing can be made is an error, not an endless search', async (t) => {
  const nowhere = runtimeFolder({ PVPN_RUNTIME_DIR: '/proc/pvpn-nowhere/deep' })
  await t.rejects(makeRuntimeFolder(nowhere), { code: 'ERR_CONFIG', message: /ENOENT/ })
})

t.test('links, files, shared folders and other owners are refused', async (t) => {
  mkdirSync(join(base, 'target'), { mode: 0o700 })
  symlinkSync(join(base, 'target'), join(base, 'link'))
  symlinkSync(join(base, 'nowhere'), join(base, 'dangling'))
  writeFileSync(join(base, 'file'), '')
  mkdirSync(join(base, 'shared'))
  chmodSync(join(base, 'shared'), 0o1777)
  for (const name of ['link', 'dangling', 'file', 'shared', 'file/below']) {
    await t.rejects(makeRuntimeFolder(at(name)), { code: 'ERR_CONFIG' }, name)
  }
  for (const name of ['link', 'dangling', 'file']) {
    await t.rejects(checkRuntimeFolder(at(name)), { code: 'ERR_CONFIG' }, name)
  }
  t.equal(statSync(join(base, 'shared')).mode & 0o7777, 0o1777, 'left as it was')
  await t.rejects(makeRuntimeFolder(at('x'.repeat(120))), { message: /too long/ })
})

t.test(
  'a folder of somebody else is refused',
  { skip: root ? false : 'needs root to make one' },
  async (t) => {
    const { chownSync } = await import('node:fs')
    const folder = at('theirs')
    mkdirSync(folder.path, { mode: 0o700 })
    chownSync(folder.path, 12345, 12345)
    await t.rejects(makeRuntimeFolder(folder), { message: /belongs to user 12345/ })
    t.equal(await checkRuntimeFolder(folder), true, 'root may talk to it')
  },
)

t.test('each token is new, 0600 and does not follow links', async (t) => {
  const folder = at('tokens')
  await makeRuntimeFolder(folder)
  const victim = join(base, 'victim')
  writeFileSync(victim, 'precious')
  symlinkSync(victim, folder.token)
  const one = await writeToken(folder)
  t.equal(readFileSync(folder.token, 'utf8'), `${one}\n`)
  t.equal(statSync(folder.token).mode & 0o777, 0o600)
  t.equal(readFileSync(victim, 'utf8'), 'precious')
  const two = await writeToken(folder)
  t.not(one, two)
  t.ok(one.length >= 43, '256 bits')
})
