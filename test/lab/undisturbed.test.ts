/** One environment's start, reload, stop, crash and cut stay its own. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CONFIGURATION, LabGateway } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { LAB_PROGRAMS, VpnLab, WEB } from '../support/vpn-lab.js'

const SOCKS_TOOL = fileURLToPath(new URL('../support/socks-tool.js', import.meta.url))
const skip = labSkip(...LAB_PROGRAMS, 'md5sum')

t.test('what already communicates is not disturbed', { skip, timeout: 600_000 }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const gateway = new LabGateway(lab)
  t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
  t.teardown(() => gateway.down())

  const BYTES = 8 * 2 ** 20
  const url = `http://${WEB}/slow?n=${BYTES}&ms=15000`
  const digest = (proxy: string) =>
    lab.client.run(['sh', '-c', `curl -sS -m 60 ${proxy} '${url}' | md5sum`], { timeout: 70_000 })
  const local = digest('')
  const office = digest('-x socks5h://127.0.0.1:1081')
  const officePid = (await gateway.environment('office')).pid

  await t.test('stop and start of site', async (t) => {
    t.equal((await gateway.pvpn('stop', 'site')).code, 0)
    t.equal((await gateway.environment('site')).state, 'stopped')
    const refused = await gateway.curl('site', `http://${WEB}/`)
    t.not(refused.code, 0, 'a stopped environment gives nothing')
    const page = await lab.client.run([
      'curl',
      '-sS',
      '-m',
      '5',
      '-x',
      'http://127.0.0.1:1082',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `http://${WEB}/`,
    ])
    t.equal(page.stdout, '503', 'and says so')
    t.equal((await gateway.pvpn('start', 'site')).code, 0)
    t.ok(await gateway.reaches('site', 'up', 6000))
  })

  await t.test('kill -9 of the process of site', async (t) => {
    const { pid } = await gateway.environment('site')
    process.kill(pid, 'SIGKILL')
    const back = await eventually(async () => {
      const site = await gateway.environment('site')
      return site.state === 'up' && site.pid !== pid
    }, 3000)
    t.ok(back, 'it is back within 3 s')
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
  })

  await t.test('reload with a changed site, and one with mistakes', async (t) => {
    gateway.write(
      'pvpn.yaml',
      CONFIGURATION.replace('listen: 127.0.0.1:1082', 'listen: 127.0.0.1:1083'),
    )
    t.equal((await gateway.pvpn('reload')).code, 0)
    t.ok(await gateway.reaches('site', 'up', 6000))
    const moved = await lab.client.run([
      'curl',
      '-sS',
      '-m',
      '10',
      '-x',
      'socks5h://127.0.0.1:1083',
      `http://${WEB}/`,
    ])
    t.match(moved.stdout, /^site /)
    gateway.write('pvpn.yaml', CONFIGURATION.replace('wireguard', 'wiregard'))
    const bad = await gateway.pvpn('reload')
    t.not(bad.code, 0)
    t.match(bad.stderr + bad.stdout, /pvpn\.yaml:4:\d+: .*wireguard/)
    gateway.write('pvpn.yaml', CONFIGURATION)
    t.equal((await gateway.pvpn('reload')).code, 0)
    t.ok(await gateway.reaches('site', 'up', 6000))
  })

  const md5 = `${patternMd5(BYTES)}  -\n`
  t.equal((await local).stdout, md5, 'the download by the local network finished')
  t.equal((await office).stdout, md5, 'the download by office finished')
  t.equal((await gateway.environment('office')).pid, officePid, 'office was never restarted')
})

t.test('a cut tunnel', { skip, timeout: 600_000 }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const gateway = new LabGateway(lab)
  t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
  t.teardown(() => gateway.down())
  const idle = lab.client.spawn([process.execPath, SOCKS_TOOL, '1081', 'hold', WEB, '80', '45'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let held = ''
  idle.stdout?.on('data', (b: Buffer) => {
    held += b.toString()
  })
  t.ok(await eventually(() => held.includes('held')))

  await lab.cut('office', true)
  const error = await gateway.curl('office', `http://${WEB}/`, '-m', '20')
  t.not(error.code, 0, 'an error, not the local 192.168.11.10')
  t.notMatch(error.stdout, /local/)
  t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /, 'the other one works')
  // Asking shows that nothing answers: the tunnel notices within its own time-outs.
  const down = await eventually(async () => {
    await gateway.curl('office', `http://${WEB}/`, '-m', '1')
    return (await gateway.environment('office')).state === 'down'
  }, 40_000)
  t.ok(down, 'status says down')
  const start = Date.now()
  const refused = await gateway.curl('office', `http://${WEB}/`)
  t.not(refused.code, 0)
  t.ok(Date.now() - start < 2000, 'the port answers at once')
  t.match((await gateway.environment('office')).error?.message, /203\.0\.113\.2:51820/)

  await lab.cut('office', false)
  const back = await eventually(
    async () => /^office /.test((await gateway.curl('office', `http://${WEB}/`, '-m', '2')).stdout),
    6000,
  )
  t.ok(back, 'it works within 6 s of the return of the path')
  if (idle.exitCode === null) await new Promise((resolve) => idle.once('exit', resolve))
  t.match(held, /held\nHTTP\/1\.[01] 200/, 'an idle connection still lives')
})
