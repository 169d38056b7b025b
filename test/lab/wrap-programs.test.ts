/**
 * The programs that people use, wrapped, on a client whose link leads to an outside that answers
 * everything: each gets the office's answer, or is refused before it starts, and nothing leaves.
 */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS } from '../support/vpn-lab.js'
import { clientCases } from './wrap-clients.js'
import { WRAP, WrapLab } from './wrap-lab.js'
import { startServices } from './wrap-services.js'
import { ASKED, CaseTable } from './wrap-table.js'

const CLIENTS = ['git', 'ssh', 'rsync', 'python3', 'java', 'dig', 'host', 'ping', 'nc', 'psql']
const MORE = ['redis-cli', 'redis-server', 'chromium', 'busybox', 'initdb']
const COMPILERS = ['gcc', 'musl-gcc', 'go', 'rustc', 'javac']
process.env.PATH += ':/usr/lib/postgresql/15/bin'
const skip =
  labSkip(...LAB_PROGRAMS, ...CLIENTS, ...MORE, ...COMPILERS) ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user')

t.test('programs, wrapped', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const services = await startServices(lab)
  t.ok(await lab.gateway.up(), `all environments are up: ${lab.gateway.stderr}`)
  await lab.capture()
  const table = new CaseTable('programs')
  for (const one of clientCases(services)) {
    for (const way of ASKED) {
      const argv = [WRAP, '--via', way, 'office', ...one.argv]
      const { code, stdout, stderr } = await lab.bare(argv, { timeout: 60_000 })
      const refused = one.refused?.[way]
      const said = { code, stdout, stderr }
      if (refused === undefined) t.match(said, { code: 0, stdout: one.out }, one.what)
      else t.match(said, { code: 125, stderr: refused }, one.what)
      table.record(one.what, way, code === 0 ? 'works' : `refused: ${reason(stderr)}`)
      t.same(await lab.strange(), [], `nothing left the client: ${one.what}`)
      t.notMatch(lab.services, /^inside/m, `no service of the host was asked: ${one.what}`)
    }
  }
  table.hold(t)
})

/** Why a program was not started, without its path and the remedy. */
function reason(stderr: string): string {
  const said = /^pvpn-wrap: \S+ ([^:]*)/m.exec(stderr)?.[1] ?? 'fails'
  // Which of them ping has depends on how Debian could install it.
  return said.replace(/^(is setuid|has file capabilities),.*/, 'is setuid or has file capabilities')
}
