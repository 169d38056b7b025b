/**
 * Our TCP against Linux's: the stack is a host on a TUN device of a namespace, over a link of our own.
 * The cases are in `linux-tcp/`; each file runs inside the namespace and holds both ends.
 */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { accel, accelProblem } from '../../src/native/accel.js'
import { labSkip, Namespace } from '../support/namespace.js'

const CASES = fileURLToPath(new URL('linux-tcp/', import.meta.url))
const MIB = 1 << 20
const OPTIONS = ['net.ipv4.tcp_timestamps', 'net.ipv4.tcp_sack', 'net.ipv4.tcp_window_scaling']
const noAddon = accel()?.tun === undefined && (accelProblem() ?? 'no addon')
const skip = noAddon || labSkip('ping', 'sysctl')

t.setTimeout(1_800_000)

interface Run {
  readonly name: string
  readonly file: string
  readonly args?: readonly (string | number)[]
  /** Set inside the namespace first. */
  readonly settings?: readonly string[]
}

const WHOLE = 64 * MIB
// At 50 ms and 2 % our CUBIC is held to some Mbit/s by its own rules: less data there, the whole in the long lab.
const RUNS: readonly Run[] = [
  { name: 'no delay, no loss', file: 'transfers', args: [0, 0, '4,6', WHOLE, WHOLE] },
  { name: 'no delay, 2 % loss', file: 'transfers', args: [0, 0.02, '4', WHOLE, WHOLE] },
  { name: '50 ms, no loss', file: 'transfers', args: [25, 0, '4', WHOLE, WHOLE] },
  { name: '50 ms, 2 % loss', file: 'transfers', args: [25, 0.02, '4,6', 2 * MIB, WHOLE] },
  ...(process.env.LAB_LONG === undefined
    ? []
    : [
        { name: '50 ms, 2 % loss, long', file: 'transfers', args: [25, 0.02, '4', WHOLE, 0, 'us'] },
      ]),
  { name: 'open, close, reset, windows', file: 'behaviour' },
  { name: 'ICMP, UDP, path MTU', file: 'datagrams' },
  { name: 'ports again', file: 'ports' },
  {
    name: 'ports again, Linux without timestamps',
    file: 'ports',
    settings: ['net.ipv4.tcp_timestamps=0'],
  },
  { name: 'a flood of SYNs', file: 'syn-flood' },
  {
    name: 'a flood of SYNs, Linux without timestamps',
    file: 'syn-flood',
    settings: ['net.ipv4.tcp_timestamps=0'],
  },
  ...OPTIONS.map((option) => ({
    name: `Linux without ${option.replace('net.ipv4.tcp_', '')}`,
    file: 'transfers',
    args: [5, 0.01, '4', 2 * MIB, 8 * MIB],
    settings: [`${option}=0`],
  })),
]

for (const { name, file, args = [], settings = [] } of RUNS) {
  t.test(name, { skip }, async (t) => {
    const ns = await Namespace.create('linux-tcp')
    t.teardown(() => ns.destroy())
    for (const setting of settings) await ns.check(['sysctl', '-w', setting])
    const inside = ['env', '-u', 'NODE_OPTIONS', process.execPath, `${CASES}${file}.js`]
    const [command, ...rest] = ns.command([...inside, ...args.map(String)])
    await t.spawn(command, rest, { timeout: 600_000 }, name)
  })
}
