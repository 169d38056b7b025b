/** Everything of a namespace's network that a VPN client might change, as text to be compared. */
import type { Namespace } from './namespace.js'

const COMMANDS: readonly string[] = [
  'ip -4 address show',
  'ip -6 address show',
  'ip -details link show',
  'ip -4 route show table all',
  'ip -6 route show table all',
  'ip -4 rule show',
  'ip -6 rule show',
  'ip -4 neighbour show nud permanent',
  'nft list ruleset',
  'sysctl -a --pattern "^net[.]"',
  'cat /etc/resolv.conf /etc/hosts /etc/nsswitch.conf',
]

/** One section per command; counters and times that move by themselves are left out. */
export async function hostState(ns: Namespace): Promise<string> {
  const sections: string[] = []
  for (const command of COMMANDS) {
    const { stdout } = await ns.run(['sh', '-c', `${command} 2>/dev/null`])
    const stable = stdout
      .replace(/(valid_lft|preferred_lft) \S+/g, '')
      .replace(/expires \d+sec/g, '')
      .split('\n')
      .filter((line) => !/nf_conntrack_count|netdev_rss_key|gc_stats|random/.test(line))
    sections.push(`# ${command}\n${stable.join('\n')}`)
  }
  return sections.join('\n')
}

/** The state once it no longer moves by itself (addresses are tentative for a moment). */
export async function settledHostState(ns: Namespace): Promise<string> {
  let last = await hostState(ns)
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    const next = await hostState(ns)
    if (next === last && !next.includes('tentative')) return next
    last = next
  }
  return last
}
