/** Many slow clients, and bodies far larger than memory should be, through a real tunnel. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LabGateway, PORTS } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { LAB_PROGRAMS, VpnLab, WEB } from '../support/vpn-lab.js'

const SLOW_CLIENTS = fileURLToPath(new URL('../support/slow-clients.js', import.meta.url))
const MIB = 2 ** 20
const COUNT = 256
const LARGE = 1024 * MIB
/** MD5 of that many zeros. */
const ZEROS_MD5 = 'cd573cfaace07e7949bc0c46028904ff'
/** How much the environment's process may grow while a large body passes, in bytes. */
const GROWTH = 100 * MIB

t.test('a burden', { skip: labSkip(...LAB_PROGRAMS, 'md5sum'), timeout: 400_000 }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const { client } = lab
  const gateway = new LabGateway(lab)
  t.ok(await gateway.up(), `up: ${gateway.stderr}`)
  const { pid } = await gateway.environment('office')

  await t.test(`${COUNT} clients that send a byte a second`, async (t) => {
    const argv = [process.execPath, SLOW_CLIENTS, String(PORTS.office), String(COUNT), WEB]
    const slow = client.spawn(argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    let out = ''
    slow.stdout?.on('data', (b: Buffer) => {
      out += b.toString()
    })
    const ended = new Promise((resolve) => slow.once('close', resolve))
    await new Promise((resolve) => slow.stdout?.once('data', resolve))
    const download = (scheme: string, path: string) => {
      const curl = `curl -sS -m 60 -x ${scheme}://127.0.0.1:${PORTS.office}`
      return client.run(['sh', '-c', `${curl} 'http://${WEB}${path}' | md5sum`])
    }
    const [long, ...fast] = await Promise.all([
      download('socks5h', `/slow?n=${8 * MIB}&ms=10000`),
      download('socks5h', `/big?n=${64 * MIB}`),
      download('http', `/big?n=${64 * MIB}`),
    ])
    t.equal(long.stdout, `${patternMd5(8 * MIB)}  -\n`, 'a download of 10 s goes on beside them')
    for (const { stdout } of fast) t.equal(stdout, `${patternMd5(64 * MIB)}  -\n`, 'a fast one too')
    const small = await Promise.all(
      Array.from({ length: 20 }, () => gateway.curl('office', `http://${WEB}/`)),
    )
    t.ok(
      small.every(({ stdout }) => stdout.startsWith('office ')),
      'and small requests are answered',
    )
    slow.stdin?.write('.')
    await ended
    t.equal(out, `ready\n${COUNT}\n`, 'and none of them was cut off')
  })

  for (const direction of ['down', 'up'] as const) {
    await t.test(`1 GiB ${direction}`, async (t) => {
      const before = residentBytes(pid)
      let most = before
      const watch = setInterval(() => {
        most = Math.max(most, residentBytes(pid))
      }, 200)
      const proxy = `curl -sS -m 300 -x http://127.0.0.1:${PORTS.office}`
      const command =
        direction === 'down'
          ? `${proxy} 'http://${WEB}/big?n=${LARGE}' | md5sum`
          : `head -c ${LARGE} /dev/zero | ${proxy} -T - http://${WEB}/`
      const got = await client.run(['sh', '-c', command], { timeout: 310_000 })
      clearInterval(watch)
      if (direction === 'down') t.equal(got.stdout, `${patternMd5(LARGE)}  -\n`)
      else t.equal(got.stdout, `office ${LARGE} ${ZEROS_MD5}\n`)
      t.equal((await gateway.environment('office')).pid, pid, 'the same process as before')
      t.ok(most - before < GROWTH, `grew by ${Math.round((most - before) / MIB)} MiB at most`)
      t.comment(`${Math.round(before / MIB)} MiB before, ${Math.round(most / MIB)} MiB at most`)
    })
  }

  t.equal(await gateway.down(), 0)
})

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}
