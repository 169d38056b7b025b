/**
 * pvpn-wrap between two sites with the same numbers, on a client whose host, link and services answer
 * everything: programs get the site's answer or none. What wrap.test.ts has is not asked again.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, WEB } from '../support/vpn-lab.js'
import { ELSEWHERE, ELSEWHERE_6, OUTSIDE, WRAP, WrapLab } from './wrap-lab.js'
import { INSIDE, NOT_OUTSIDE, type WrapCase } from './wrap-programs.js'
import { CaseTable } from './wrap-table.js'

const PROGRAMS = ['git', 'ssh', 'ping', 'dig', 'host', 'nc', 'busybox', 'python3', 'gcc']
const RAW_SOURCE = fileURLToPath(new URL('../../../test/lab/wrap/raw-sockets.c', import.meta.url))
const NAME = 'www.office.example'
const skip =
  labSkip(...LAB_PROGRAMS, ...PROGRAMS) ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user')

t.test('pvpn-wrap', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const { gateway } = lab
  const { client } = lab.lab
  const raw = join(lab.lab.folder, 'raw')
  await client.check(['gcc', '-static', '-O1', '-o', raw, RAW_SOURCE])
  const command = ({ argv }: WrapCase) => argv.map((word) => (word === 'RAW' ? raw : word))
  const quiet = async (t: Test, what: string) => {
    t.same(await lab.strange(), [], `nothing left the client: ${what}`)
    t.notMatch(lab.services, /^inside/m, `no service of the host was asked: ${what}`)
  }
  t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
  await lab.capture()
  const table = new CaseTable('sites')
  /** A subtest that is a row of the table. */
  const works = async (what: string, check: (t: Test) => Promise<void>) => {
    let passing = false
    await t.test(what, async (t) => {
      await check(t)
      passing = t.passing()
    })
    table.record(what, 'netns', passing ? 'works' : 'fails')
  }

  await t.test('everything answers a program that is not wrapped', async (t) => {
    const curl = async (url: string) => (await lab.bare(['curl', '-sS', '-m', '5', url])).stdout
    t.match(await curl(`http://${ELSEWHERE}/`), /^outside /)
    t.match(await curl(`http://[${ELSEWHERE_6}]/`), /^outside /)
    t.match(await curl('http://www.home.example/'), /^outside /)
    t.match(await curl('http://127.0.0.1:8000/'), /^host /)
    t.match((await lab.bare(['dig', '+short', '@9.9.9.9', NAME])).stdout, OUTSIDE)
    const echo = `echo x | timeout 5 nc -u -W 1 ${ELSEWHERE} 7`
    t.match((await lab.bare(['sh', '-c', echo])).stdout, /^outside x/)
    await lab.bare(['getent', 'hosts', NAME])
    t.match(lab.services, /^host \/run\/nscd/m, "the host's nscd was asked")
    const strange = (await lab.strange()).join('\n')
    for (const seen of [ELSEWHERE, ELSEWHERE_6, '9.9.9.9', '127.0.0.1.8000']) {
      t.ok(strange.includes(seen), `the capture saw ${seen}`)
    }
  })

  await t.test('programs of every kind work inside', async (t) => {
    for (const one of INSIDE) {
      const { code, stdout, stderr } = await lab.wrap('office', command(one))
      const what = `${one.program}: ${one.does}`
      t.match({ code, stdout, stderr }, { code: 0, stdout: one.out }, what)
      table.record(what, 'netns', code === 0 ? 'works' : 'fails')
    }
    await quiet(t, 'programs that work')
  })

  await t.test('and reach nothing else', async (t) => {
    for (const one of NOT_OUTSIDE) {
      const { code, stdout, stderr } = await lab.wrap('office', command(one))
      const what = `${one.program}: ${one.does}`
      t.not(code, 0, what)
      t.match(stdout + stderr, one.error)
      table.record(what, 'netns', code === 0 ? 'leaks' : 'refused')
    }
    await quiet(t, 'programs that try')
  })

  await works('many bytes through, and a program stopped from outside', async (t) => {
    const input = 'line\n'.repeat(100_000)
    t.equal((await lab.wrap('office', ['cat'], { input })).stdout, input)
    const script = 'trap "echo told; exit 3" USR1; echo $$; while :; do sleep 0.05; done'
    const argv = unprivileged([WRAP, 'office', 'sh', '-c', script])
    const child = client.spawn(argv, { env: gateway.env, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout?.on('data', (b: Buffer) => {
      out += b.toString()
    })
    t.ok(await eventually(() => /^\d+\n/.test(out)))
    const program = Number.parseInt(out, 10)
    const state = (pid: number) =>
      /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    process.kill(program, 'SIGSTOP')
    t.ok(await eventually(() => state(child.pid as number) === 'T'), 'the wrapper stops with it')
    child.kill('SIGCONT')
    t.ok(await eventually(() => state(program) !== 'T'), 'and wakes it')
    child.kill('SIGUSR1')
    t.equal(await new Promise((resolve) => child.once('close', resolve)), 3)
    t.match(out, /told/)
  })

  await works('a program that stays behind stays inside', async (t) => {
    const file = join(gateway.folder, 'daemon')
    const late = `sleep 1; curl -sS -m 5 http://${NAME}/ > ${file}; curl -sS -m 2 http://${ELSEWHERE}/ >> ${file}; echo end >> ${file}`
    const start = `setsid sh -c '${late}' >/dev/null 2>&1 &`
    t.equal((await lab.wrap('office', ['sh', '-c', start])).code, 0)
    t.ok(await eventually(() => textOf(file).includes('end')))
    t.match(textOf(file), /^office [^\n]*\nend\n$/)
    await quiet(t, 'a daemon')
  })

  await works(
    'resolv.conf as a file, a link, a dangling link; replaced meanwhile by each',
    async (t) => {
      const ask = `getent ahostsv4 ${NAME} | head -1; dig +short ${NAME}`
      for (const how of ['file', 'link', 'dangling'] as const) {
        await lab.resolvConf(how)
        for (const next of ['file', 'link', 'dangling'] as const) {
          const flag = join(gateway.folder, 'flag')
          const script = `${ask}; echo > ${flag}; while [ -e ${flag} ]; do sleep 0.05; done; ${ask}`
          const running = lab.wrap('office', ['sh', '-c', script])
          t.ok(await eventually(() => textOf(flag) !== ''))
          await lab.resolvConf(next)
          await client.check(['rm', flag])
          const { stdout } = await running
          t.match(stdout, /^(192\.168\.11\.10.*\n){4}$/, `a ${how} replaced by a ${next}`)
        }
      }
      await lab.resolvConf('file')
      await quiet(t, 'resolv.conf')
    },
  )

  await works('the gateway is killed in the middle', async (t) => {
    const file = join(gateway.folder, 'tries')
    const once = `curl -sS -m 1 http://${NAME}/; curl -sS -m 1 http://${ELSEWHERE}/; timeout 1 dig +short @8.8.8.8 ${NAME}; timeout 1 getent hosts www.home.example; timeout 1 ping -c1 ${WEB}`
    const script = `for i in 1 2 3 4; do { ${once}; } >> ${file} 2>&1; echo round >> ${file}; done`
    const running = lab.wrap('office', ['sh', '-c', script], { timeout: 60_000 })
    t.ok(await eventually(() => textOf(file).includes('round')))
    await gateway.kill()
    await running
    t.equal(
      textOf(file)
        .split('\n')
        .filter((line) => line === 'round').length,
      4,
      'it went on',
    )
    t.match(textOf(file), /^office /m, 'it worked before')
    t.notMatch(textOf(file), /^outside |^host /m, 'and never reached anything else')
    t.notMatch(textOf(file), OUTSIDE)
    const next = await lab.wrap('office', ['curl', '-sS', `http://${ELSEWHERE}/`])
    t.equal(next.code, 125, 'the next one does not begin')
    await quiet(t, 'a killed gateway')
  })
  table.hold(t)
})

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
