import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  hostsFile,
  nsswitch,
  resolvConf,
  writeNamespaceFiles,
} from '../../src/wrap/namespace-files.js'

t.test('resolv.conf names an address of ours and the search domains', async (t) => {
  t.match(resolvConf([]), /^nameserver 127\.0\.0\.53$/m)
  t.notMatch(resolvConf([]), /search/)
  t.match(resolvConf(['a.example', 'b.example']), /^search a\.example b\.example$/m)
})

t.test('hosts has localhost and the environment’s names', async (t) => {
  const text = hostsFile({ 'nas.example': ['192.0.2.1', '2001:db8::1'] })
  t.match(text, /^127\.0\.0\.1 localhost$/m)
  t.match(text, /^192\.0\.2\.1 nas\.example\n2001:db8::1 nas\.example$/m)
})

t.test('nsswitch keeps all but the hosts', async (t) => {
  const own = 'passwd: files systemd\n hosts:  files mdns4_minimal [NOTFOUND=return] resolve dns\n'
  t.equal(nsswitch(own), 'passwd: files systemd\nhosts: files dns\n')
  t.equal(nsswitch(''), 'hosts: files dns\n')
})

t.test('the files are the user’s alone, and written in place', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-wrap-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'office.resolv.conf')
  writeNamespaceFiles(folder, 'office', { search: [], hosts: {} })
  const { ino, mode } = statSync(file)
  t.equal(mode & 0o777, 0o600)
  writeNamespaceFiles(folder, 'office', { search: ['x.example'], hosts: {} })
  t.equal(statSync(file).ino, ino)
  t.match(readFileSync(file, 'utf8'), /x\.example/)
})
