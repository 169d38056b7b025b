/** What carries the benchmark: for each tunnel its far side and its contestants. */
import { KINDS, type Kind } from './contestants.js'
import { openconnectKinds } from './openconnect.js'
import { openvpnKinds } from './openvpn.js'
import { sshKinds } from './ssh.js'
import type { BenchLab } from './topology.js'

export interface BenchTunnel {
  /** That it can't be measured without. */
  readonly programs: readonly string[]
  /** Its far side is started by `kinds`; else it is the lab's own. */
  readonly ownServer: boolean
  /** It carries datagrams. */
  readonly datagrams: boolean
  /** Those who are measured, the far side being ready for them. */
  kinds(lab: BenchLab): Promise<readonly Kind[]>
}

export const TUNNELS: Readonly<Record<string, BenchTunnel>> = {
  wireguard: {
    programs: ['wireguard-go', 'wg'],
    ownServer: false,
    datagrams: true,
    kinds: async () => KINDS,
  },
  openvpn: {
    programs: ['openvpn', 'openssl'],
    ownServer: true,
    datagrams: true,
    kinds: openvpnKinds,
  },
  openconnect: {
    programs: ['ocserv', 'openssl'],
    ownServer: true,
    datagrams: true,
    kinds: openconnectKinds,
  },
  ssh: { programs: ['ssh-keygen', 'sshd'], ownServer: true, datagrams: false, kinds: sshKinds },
}
