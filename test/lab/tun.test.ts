import { fileURLToPath } from 'node:url'
import t from 'tap'
import { accel, accelProblem } from '../../src/native/accel.js'
import { eventually, labSkip, Namespace } from '../support/namespace.js'

const ECHO = fileURLToPath(new URL('tun-echo.js', import.meta.url))
const noAddon = accel()?.tun === undefined && (accelProblem() ?? 'no addon')

t.test('TUN device', { skip: noAddon || labSkip('ping') }, async (t) => {
  const ns = await Namespace.create('tun')
  t.teardown(() => ns.destroy())

  /** The program on its device, once it runs; `end` lets it finish and gives its report. */
  async function echo(name: string) {
    const child = ns.spawn([process.execPath, ECHO, name], { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout?.on('data', (bytes: Buffer) => {
      output += bytes.toString()
    })
    child.stderr?.on('data', (bytes: Buffer) => {
      errors += bytes.toString()
    })
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    t.ok(await eventually(() => output.startsWith('ready\n')), errors || 'runs')
    return {
      async end() {
        child.stdin?.end()
        await ended
        return JSON.parse(output.slice('ready\n'.length)) as {
          packets: number
          failure: string
          errors: string[]
        }
      },
    }
  }

  t.test('carries packets both ways', async (t) => {
    const program = await echo('pvpn0')
    await ns.ip(`address add 192.0.2.1/24 dev pvpn0
      link set pvpn0 up mtu 1500`)
    const report = await ns.check([
      'ping',
      '-c',
      '200',
      '-i',
      '0.002',
      '-s',
      '1400',
      '-W',
      '2',
      '192.0.2.2',
    ])
    t.match(report, /200 received, 0% packet loss/)
    const { packets, failure, errors } = await program.end()
    t.strictSame({ packets, failure, errors }, { packets: 200, failure: '', errors: [] })
    t.notMatch(await ns.check(['ip', 'link']), /pvpn0/, 'the device goes with the process')
  })

  t.test('tells when its device is taken away', async (t) => {
    const program = await echo('pvpn1')
    await ns.ip('link delete pvpn1')
    await new Promise((resolve) => setTimeout(resolve, 200))
    const { errors } = await program.end()
    t.equal(errors.length, 1, String(errors))
  })

  t.test('a device that can not be had is an error with its code', async (t) => {
    const text = `import { openTun } from ${JSON.stringify(fileURLToPath(new URL('../../src/io/tun.js', import.meta.url)))}
      const codes = []
      for (const name of ['lo', 'a'.repeat(16), '']) {
        try { openTun({ name, packetSize: 1500 }) } catch (e) { codes.push(e.code) }
      }
      console.log(codes.join(' '))`
    const out = await ns.check([process.execPath, '--input-type=module', '-e', text])
    t.match(out.trim(), /^E\w+ ERR_OUT_OF_RANGE ERR_OUT_OF_RANGE$/)
  })
})
