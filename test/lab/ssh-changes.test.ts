/** SSH as a tunnel: streams of bytes, ports of the server, and servers that come and go. */
import t from 'tap'
import { PVPN, unprivileged } from '../support/lab-gateway.js'
import { eventually } from '../support/namespace.js'
import { privateMemory } from '../support/private-memory.js'
import { serve, WEB } from '../support/vpn-lab.js'
import { configuration, SshWorld, skip } from './ssh-world.js'

const NAMES = ['key', 'jumps']
const PUBLISH = ", publish: [{ port: 8080, to: '127.0.0.1:8088' }]"

/** Waits for the end of what comes, then says how much it was. */
const COUNTER = `require('net').createServer({ allowHalfOpen: true }, (s) => {
  let n = 0
  s.on('data', (b) => { n += b.length }).on('end', () => s.end('got ' + n))
}).listen(7777, '${WEB}', () => console.log('ready'))`

t.test('SSH as a tunnel: changes', { skip, timeout: 600_000 }, async (t) => {
  const world = await SshWorld.create(t, NAMES, { key: PUBLISH })
  const { lab, ssh, gateway } = world
  const get = world.get.bind(world)
  const error = world.error.bind(world)

  const { office } = lab.sites
  await serve(lab.client, 'client', '127.0.0.1:8088')
  const counter = office.spawn([process.execPath, '-e', COUNTER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => counter.stdout?.once('data', resolve))
  t.ok(await gateway.reaches('key', 'up', 30_000), await error('key'))

  await t.test('half-close, and bytes whole in both directions', async (t) => {
    const sent = 'x'.repeat(300_000)
    const argv = unprivileged([process.execPath, PVPN, 'nc', 'key', WEB, '7777'])
    const { stdout } = await lab.client.run(argv, { env: gateway.env, input: sent })
    t.equal(stdout, 'got 300000')
    const size = 8_000_000
    const down = await lab.client.run([
      'sh',
      '-c',
      `curl -sS -x socks5h://127.0.0.1:${world.port('key')} http://${WEB}/big?n=${size} | md5sum`,
    ])
    const local = await office.run(['sh', '-c', `curl -sS http://${WEB}/big?n=${size} | md5sum`])
    t.equal(down.stdout, local.stdout)
    const up = await lab.client.run([
      'sh',
      '-c',
      `head -c ${size} /dev/zero | curl -sS -x socks5h://127.0.0.1:${world.port('key')} -T - http://${WEB}/`,
    ])
    const zeros = await office.run(['sh', '-c', `head -c ${size} /dev/zero | md5sum`])
    t.match(up.stdout, new RegExp(`^office ${size} ${zeros.stdout.slice(0, 32)}`))
  })

  await t.test('publish: a local service, reachable from inside', async (t) => {
    const reached = await eventually(async () =>
      /^client /.test((await office.run(['curl', '-sS', '-m', '5', `http://${WEB}:8080/`])).stdout),
    )
    t.ok(reached)
  })

  await t.test('dns.servers are asked through it, by TCP', async (t) => {
    gateway.write(
      'pvpn.yaml',
      configuration(NAMES, { key: `${PUBLISH}, dns: { servers: [192.168.10.1] }` }),
    )
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('key', 'up', 20_000))
    t.match(await get('key', 'http://www.office.example/'), /^office /)
    t.match(await world.socks('key', 'www.office.example', 80, 0xf0), /^reply 0/, 'RESOLVE')
    t.match(await world.socks('key', 'nowhere.example', 80), /^reply 4/)
  })

  await t.test('the server restarts under open connections', async (t) => {
    const slow = lab.client.run([
      'curl',
      '-sS',
      '-m',
      '30',
      '-x',
      `socks5h://127.0.0.1:${world.port('key')}`,
      `http://${WEB}/slow?n=1000000&ms=6000`,
    ])
    await new Promise((resolve) => setTimeout(resolve, 500))
    await ssh.stop(office)
    t.not((await slow).code, 0, 'a cut answer is not passed off as whole')
    t.ok(await gateway.reaches('key', 'down', 10_000))
    t.match(await error('key'), /^server unreachable: /)
    t.match(await get('key', `http://${WEB}/`), /curl: \(97\)/)
    await ssh.start(office, ['office-ed25519'], { resolver: '192.168.10.1' })
    t.ok(await gateway.reaches('key', 'up', 20_000), await error('key'))
    t.match(await get('key', `http://${WEB}/`), /^office /)
    const published = await eventually(async () =>
      /^client /.test((await office.run(['curl', '-sS', '-m', '5', `http://${WEB}:8080/`])).stdout),
    )
    t.ok(published, 'published again')
  })

  await t.test('the way is silent', async (t) => {
    t.ok(await gateway.reaches('jumps', 'up', 40_000), await error('jumps'))
    await lab.cut('site', true)
    await lab.cut('office', true)
    t.ok(await gateway.reaches('jumps', 'down', 20_000), 'noticed by the keep-alive')
    t.match(await error('jumps'), /^server unreachable: no answer/)
    await lab.cut('site', false)
    t.ok(await gateway.reaches('jumps', 'up', 40_000), await error('jumps'))
    t.match(await get('jumps', `http://${WEB}/`), /^site /)
  })

  await t.test('memory stays flat', async (t) => {
    const memory = async () => privateMemory((await gateway.environment('key')).pid)
    const load = async (size: number) => {
      const upload = `head -c ${size} /dev/zero | curl -sS -m 90 -x socks5h://127.0.0.1:${world.port('key')} -T - http://${WEB}/`
      const [down, up] = await Promise.all([
        get('key', `http://${WEB}/big?n=${size}`, '-o', '/dev/null', '-m', '90'),
        lab.client.run(['sh', '-c', upload], { timeout: 100_000 }),
      ])
      t.equal(down, '')
      t.match(up.stdout, new RegExp(`^office ${size} `))
    }
    await load(20_000_000)
    const before = await memory()
    await load(200_000_000)
    const after = await memory()
    t.comment(`private: ${Math.round(before)} MB, after 200 MB each way ${Math.round(after)} MB`)
    t.ok(after < before + 40, `${before} MB, then ${after} MB`)
  })
})
