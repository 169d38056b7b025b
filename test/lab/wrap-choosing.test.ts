/**
 * Which way pvpn-wrap takes on machines that allow less, and what it will not start: one line says why,
 * and what to do. The machines are namespaces of the client; nothing of the host is changed.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { CONFIGURATION, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip, type RunResult } from '../support/namespace.js'
import { LAB_PROGRAMS, WEB } from '../support/vpn-lab.js'
import { WRAP, WrapLab } from './wrap-lab.js'

const SOURCE = fileURLToPath(new URL('../../../test/lab/wrap/forbid.c', import.meta.url))
const skip =
  labSkip(...LAB_PROGRAMS, 'gcc', 'busybox', 'python3', 'unshare', 'nsenter') ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user')
const CURL = ['curl', '-sSm9', `http://${WEB}/`]
const ON_DEMAND = `  later:
    tunnel: { type: direct }
    listen: 127.0.0.1:1083
    start: on-demand
  closed:
    tunnel: { type: direct }
    listen: 127.0.0.1:1084
`

t.test('choosing the way', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const { gateway } = lab
  const { client, folder } = lab.lab
  const forbid = join(folder, 'forbid')
  await client.check(['gcc', '-O1', '-o', forbid, SOURCE])
  gateway.write('pvpn.yaml', CONFIGURATION + ON_DEMAND)
  t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
  await gateway.pvpn('stop', 'closed')
  await lab.capture()

  /** `before`, as root, and then the wrapper as the gateway's user. */
  const under = (before: readonly string[], ...argv: string[]): Promise<RunResult> =>
    client.run([...before, ...unprivileged([WRAP, ...argv])], { env: gateway.env })
  const wrap = (...argv: string[]): Promise<RunResult> => under([], ...argv)
  /** Auto takes the library and says why; netns is refused with the remedy. */
  const machine = async (t: Test, before: readonly string[], remedy: RegExp) => {
    const chosen = await under(before, '-v', 'office', ...CURL)
    t.match(chosen, { code: 0, stdout: /^office /, stderr: /virtual sockets of "office": / })
    t.match(chosen, { stderr: remedy })
    t.match(await under(before, '--via', 'netns', 'office', ...CURL), { code: 125, stderr: remedy })
    const both = await under(before, 'office', 'busybox', 'true')
    t.match(both, { code: 125, stderr: /busybox is static.*; and / }, 'neither serves')
    t.match(both, { stderr: remedy })
    t.match({ lines: both.stderr.split('\n').length }, { lines: 2 }, 'one line')
  }
  const shell = (script: string) => ['sh', '-c', `${script} && exec "$@"`, 'sh']

  await t.test('all allowed: a network namespace', async (t) => {
    const { code, stdout, stderr } = await wrap('-v', 'office', ...CURL)
    t.match({ code, stdout, stderr }, { code: 0, stdout: /^office /, stderr: /network namespace/ })
    t.notMatch(stderr, /virtual/)
    t.match(await wrap('-v', '--via', 'preload', 'office', ...CURL), { code: 0, stderr: /virtual/ })
    t.match(await wrap('--via', 'what', 'office', ...CURL), { code: 125, stderr: /--via is auto/ })
  })

  await t.test('user namespaces off (sysctl)', async (t) => {
    const holder = client.spawn(['unshare', '--user', 'sh', '-c', 'echo ready; read -r _'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => holder.stdout?.once('data', resolve))
    for (const map of ['uid_map', 'gid_map']) {
      writeFileSync(`/proc/${holder.pid}/${map}`, '0 0 65536')
    }
    const enter = ['nsenter', '--target', String(holder.pid), '--user', '-S', '0', '-G', '0']
    await client.check([...enter, 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces'])
    await holderGone()
    await machine(t, enter, /user namespaces are off.*sysctl -w user\.max_user_namespaces=10000/)
    holder.stdin?.end()
  })

  await t.test('no /dev/net/tun', async (t) => {
    const hide = ['unshare', '--mount', '--propagation', 'private']
    await holderGone()
    const before = [...hide, ...shell('mount -t tmpfs none /dev/net')]
    await machine(t, before, /no TUN device.*modprobe tun.*--device \/dev\/net\/tun/)
  })

  // A kernel that says so, in words: the refusal itself is a filter's.
  const KERNELS: readonly [string, string, RegExp][] = [
    [
      'apparmor_restrict_unprivileged_userns',
      '1',
      /AppArmor.*: cp \/.*native\/wrap\/apparmor\/pvpn-wrap \/etc\/apparmor\.d\/ && apparmor_parser -r /,
    ],
    ['unprivileged_userns_clone', '0', /sysctl -w kernel\.unprivileged_userns_clone=1/],
  ]
  for (const [name, value, remedy] of KERNELS) {
    await t.test(name, async (t) => {
      const folder = '/proc/sys/kernel'
      const script = `mount -t tmpfs none ${folder} && chmod 755 ${folder} && echo ${value} > ${folder}/${name}`
      const hide = ['unshare', '--mount', '--propagation', 'private']
      await machine(t, [...hide, ...shell(script), forbid, 'namespaces'], remedy)
    })
  }

  await t.test('seccomp, as in a container', async (t) => {
    await machine(
      t,
      [forbid, 'namespaces'],
      /seccomp filter forbids namespaces.*seccomp=unconfined/,
    )
    const { code, stderr } = await lab.bare([forbid, 'all', WRAP, 'office', ...CURL])
    t.match({ code, stderr }, { code: 125, stderr: /seccomp filters are forbidden.*; and / })
  })

  await t.test('programs that no library is preloaded into', async (t) => {
    const own = join(folder, 'programs')
    mkdirSync(own)
    chmodSync(own, 0o755)
    const file = (name: string, text: string | undefined, mode: number) => {
      const path = join(own, name)
      if (text === undefined) copyFileSync('/bin/true', path)
      else writeFileSync(path, text)
      chmodSync(path, mode)
      return path
    }
    const cases: readonly [string, RegExp][] = [
      ['busybox', /is static.*--via netns/],
      [file('setuid', undefined, 0o4755), /is setuid.*--via netns/],
      [file('setgid', undefined, 0o2755), /is setgid.*--via netns/],
      [file('unreadable', undefined, 0o711), /cannot be read.*--via netns/],
      [file('script', '#!/usr/bin/env -S A=1 busybox sh\n', 0o755), /busybox is static/],
      [file('nested', `#!${own}/script\n`, 0o755), /busybox is static/],
    ]
    for (const [program, reason] of cases) {
      const { code, stderr } = await wrap('--via', 'preload', 'office', program)
      t.match({ code, stderr }, { code: 125, stderr: reason })
      t.equal(stderr.split('\n').length, 2, 'one line')
    }
    const python = file('python', "#!/usr/bin/env python3\nprint('ran')\n", 0o755)
    t.match(await wrap('--via', 'preload', 'office', python), { code: 0, stdout: 'ran\n' })
    t.match(await wrap('--via', 'preload', 'office', '/no/such'), { code: 127 })
    t.match(await wrap('--via', 'preload', 'office', '/etc/passwd'), { code: 126 })
  })

  for (const via of ['netns', 'preload']) {
    await t.test(`environments that are not there: ${via}`, async (t) => {
      const none = await wrap('--via', via, 'ofice', 'true')
      t.match(none, { code: 125, stderr: /did you mean office\?: there is office, site, home/ })
      t.match(await wrap('--via', via, 'zzzzzzz', 'true'), { stderr: /"zzzzzzz": there is office/ })
      const closed = await wrap('--via', via, 'closed', 'true')
      t.match(closed, { code: 125, stderr: /"closed" is stopped.*pvpn start closed/ })
      const nowhere = ['env', 'PVPN_RUNTIME_DIR=/nowhere', WRAP, '--via', via, 'office', 'true']
      t.match(await lab.bare(nowhere), { code: 125, stderr: /no gateway is running/ })
    })
  }
  // One that is stopped is woken at its own port.
  const strange = (await lab.strange()).filter((line) => !/^lo .* 127\.0\.0\.1\.1084\b/.test(line))
  t.same(strange, [], 'nothing left the client')

  await t.test('an environment that starts on demand is started', async (t) => {
    t.match(await wrap('later', 'true'), { code: 0 })
    t.equal((await gateway.environment('later')).state, 'up')
    await gateway.pvpn('restart', 'later')
  })

  await t.test('a tunnel that does not come up, and a gateway that is gone', async (t) => {
    await lab.lab.cut('office', true)
    await gateway.pvpn('restart', 'office')
    for (const via of ['netns', 'preload']) {
      const { code, stderr } = await wrap('--via', via, '--wait', '1', 'office', 'true')
      t.match(
        { code, stderr },
        { code: 125, stderr: /"office" did not come up within 1 s: it is / },
      )
    }
    await gateway.kill()
    t.ok(await eventually(async () => (await gateway.pvpn('status')).code === 1))
    for (const via of ['netns', 'preload']) {
      const began = Date.now()
      t.match(await wrap('--via', via, '--wait', '60', 'office', 'true'), {
        code: 125,
        stderr: /no gateway is running/,
      })
      t.ok(Date.now() - began < 30_000, 'without waiting for what does not come back')
    }
  })

  /** Holders end some seconds after their last program. */
  async function holderGone(): Promise<void> {
    const gone = await eventually(
      async () =>
        (await client.run(['sh', '-c', `ls ${gateway.folder}/run/wrap/*.holder`])).code !== 0,
      20_000,
    )
    t.ok(gone, 'the holder has ended')
  }
})
