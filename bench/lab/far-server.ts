/** What the far sides of tunnels with a server of their own have in common: their files, and pvpn in front of them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Kind, type PvpnOptions, startPvpn } from './contestants.js'
import type { BenchLab, Path, Side } from './topology.js'

/** How pvpn reaches a server. */
export type Reach = Pick<PvpnOptions, 'tunnel' | 'files'>

/** pvpn, with and without its addon. */
const WAYS: Readonly<Record<string, NodeJS.ProcessEnv>> = {
  pvpn: {},
  'pvpn, addon off': { PVPN_ACCEL: 'off' },
}

export class FarServer {
  readonly lab: BenchLab
  /** Of its files; goes with the lab. */
  readonly folder: string

  constructor(lab: BenchLab, name: string) {
    this.lab = lab
    this.folder = join(lab.folder, name)
    mkdirSync(this.folder, { mode: 0o700 })
  }

  /** The path of a file of its folder. */
  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): string {
    const file = this.path(name)
    writeFileSync(file, `${text}\n`, { mode: 0o600 })
    return file
  }

  pvpnKinds(reach: (path: Path) => Promise<Reach>): readonly Kind[] {
    return Object.entries(WAYS).map(([name, env]) => ({
      name,
      missing: () => undefined,
      start: async (lab, path, port) =>
        await startPvpn({ name, lab, port, env, ...(await reach(path)) }),
    }))
  }

  /** Address and port of a server that speaks TCP. Only over the path without delay: the links carry UDP alone. */
  async byTcp(side: Side, path: Path, port: number): Promise<[address: string, port: number]> {
    if (path.rtt > 0 || path.loss > 0) throw new Error('the links of the benchmark carry UDP alone')
    return await this.lab.way(side, path, port)
  }
}
