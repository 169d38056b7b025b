/** Configurations in a folder of the test's own, and what loading them says. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { type LoadOptions, loadConfig } from '../../src/config/load.js'
import { formatProblem } from '../../src/config/problem.js'

export const KEY = 'uCTIK+56CPyCvwJxmU5dBfuyJvPuSXAq1FzHdnIxe1Q='
export const PEER = 'QP+A67Z2UBrMgvNIdHv8gPel5URWNLS4B3ZQ2hQIZlg='

export const WG = `[Interface]
PrivateKey = ${KEY}
Address = 192.168.9.52/24

[Peer]
PublicKey = ${PEER}
AllowedIPs = 192.168.8.0/22
Endpoint = 192.0.2.1:51820
`

export class Folder {
  readonly path: string

  constructor(t: Test) {
    // Short: Unix sockets' paths are bounded.
    this.path = mkdtempSync(join(tmpdir(), 'pvpn-'))
    t.teardown(() => rmSync(this.path, { recursive: true }))
  }

  /** Writes a file, 0600 unless said otherwise. */
  write(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    chmodSync(path, mode)
    return path
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), 'utf8')
  }

  /** Loads `pvpn.yaml`; messages are told without the folder. */
  async load(options: LoadOptions = { secrets: false }) {
    const loaded = await loadConfig(join(this.path, 'pvpn.yaml'), options)
    const shown = (problems: typeof loaded.problems) =>
      problems.map((problem) => formatProblem(problem).replaceAll(`${this.path}/`, ''))
    return {
      options: loaded.options,
      problems: shown(loaded.problems),
      warnings: shown(loaded.warnings),
    }
  }

  /** Writes and loads a configuration beside a good `office.conf`. */
  async check(yaml: string, options?: LoadOptions) {
    this.write('office.conf', WG)
    this.write('pvpn.yaml', yaml)
    return this.load(options)
  }
}
