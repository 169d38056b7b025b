/**
 * Transfers between our TCP and Linux's over one link, both ways, opened by each side:
 * `node transfers.js DELAY_MS LOSS FAMILIES SIZE_BY_US SIZE_BY_LINUX [OPENERS]`, where a size of 0
 * leaves those out. Prints TAP.
 */
import t from 'tap'
import { patternMd5 } from '../../support/pattern.js'
import { StackHost } from './stack-host.js'
import { open, receive, send } from './talk.js'

const [delay = 0, loss = 0] = process.argv.slice(2, 4).map(Number)
const families = (process.argv[4] ?? '4').split(',').map(Number) as (4 | 6)[]
const sizes = { us: Number(process.argv[5]), linux: Number(process.argv[6]) }
const openers = (process.argv[7] ?? 'us,linux').split(',') as ('us' | 'linux')[]
const host = new StackHost({ device: 'pvpn0', network: 1, link: { delay, loss } })
t.teardown(() => host.close())
t.setTimeout(600_000)

for (const family of families) {
  for (const opener of openers) {
    for (const sender of ['us', 'linux'] as const) {
      const size = sizes[sender]
      if (size === 0) continue
      await t.test(
        `IPv${family}: opened by ${opener}, ${size} bytes sent by ${sender}`,
        async (t) => {
          const begun = performance.now()
          const { ours, linux } = await open(host, opener, family)
          const [from, to] = sender === 'us' ? [ours, linux] : [linux, ours]
          const sent = send(from, size)
          const got = await receive(to)
          await sent
          t.same(got, { size, md5: patternMd5(size) })
          to.end()
          t.same((await receive(from)).size, 0, 'and the other direction ends')
          const { retransmits, timeouts } = host.stack.counters.tcp
          const seconds = ((performance.now() - begun) / 1000).toFixed(1)
          t.comment(`${seconds} s, ${retransmits} retransmissions and ${timeouts} time-outs so far`)
        },
      )
    }
  }
}
