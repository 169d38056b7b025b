/**
 * What the longest test files cost, for the order in which they run. Measured one at a time with LAB_LONG=1
 * on a machine of two processors; a file that isn't here is taken for a short one that works.
 */
import type { Cost } from './test-schedule.js'

const SHORT: Cost = { seconds: 5, cores: 1 }

/** Seconds, and processors kept busy meanwhile; what measures time counts as more than it uses. */
const COSTS: Readonly<Record<string, readonly [seconds: number, cores: number]>> = {
  'lab/docker': [250, 0.8],
  'lab/openconnect-changes': [264, 0.2],
  'lab/wireguard-go-rekey': [150, 0.3],
  'lab/openvpn-changes': [141, 0.2],
  'lab/linux-tcp': [140, 0.4],
  'lab/browser': [97, 0.3],
  'lab/burden': [85, 1.2],
  'lab/openconnect': [75, 0.6],
  'lab/undisturbed': [70, 1],
  'lab/openvpn-logins': [70, 0.3],
  'lab/wrap-programs': [60, 0.7],
  'lab/wrap-behaviour': [51, 0.7],
  'lab/dashboard': [51, 0.4],
  'lab/clients': [49, 1],
  'lab/openconnect-engine': [47, 0.8],
  'lab/wrap-sites': [46, 0.7],
  'lab/wireguard-go': [46, 0.6],
  'native/build': [45, 1],
  'lab/fairness': [44, 1.5],
  'lab/proxy-answers': [41, 0.7],
  'lab/ssh-changes': [39, 0.5],
  'lab/monitoring': [38, 0.8],
  'lab/policy-browser': [34, 0.5],
  'cli/run-gateway': [33, 0.8],
  'lab/socks-commands': [32, 0.6],
  'lab/wrap-choosing': [30, 0.7],
  'lab/openvpn-refusals': [29, 0.7],
  'lab/udp-socket': [28, 0.7],
  'lab/policy': [28, 0.7],
  'lab/wrap': [27, 0.8],
  'lab/openvpn': [26, 0.8],
  'lab/wrap-virtual': [26, 0.8],
  'gateway/policy-port': [26, 0.7],
  'lab/ssh-refusals': [26, 0.6],
  'gateway/supervisor': [24, 0.5],
  'listener/leak': [24, 1],
  'lab/ssh': [23, 0.7],
  'environment/ssh-tunnel': [18, 0.2],
  'control/server': [15, 0.3],
  'listener/load': [15, 0.3],
  'gateway/on-demand': [15, 0.3],
}

export function costOf(name: string): Cost {
  const known = COSTS[name]
  return known === undefined ? SHORT : { seconds: known[0], cores: known[1] }
}
