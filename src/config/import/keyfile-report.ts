/** A keyfile for OpenVPN, read as the .ovpn file that says the same, with everything told at the keyfile's places. */
import type { Directive } from '../directive.js'
import { parseIni } from '../ini.js'
import { type OvpnFile, parseOvpn } from '../openvpn/ovpn.js'
import type { Place } from '../place.js'
import { Report } from '../reader.js'
import { type KeyfileEntry, noted } from './keyfile-lines.js'
import { keyfileToOvpn } from './keyfile-openvpn.js'

export interface KeyfileOpenvpn extends Pick<OvpnFile, 'report' | 'directives' | 'options'> {
  readonly text: string
  readonly username: string | undefined
}

/** How bad a verdict is: of an entry that became several lines the worst is told. */
const WEIGHT = { honoured: 0, ignored: 1, refused: 2 } as const

/** Reads the text of a keyfile; never throws. `file` is its path, which messages use as well. */
export function readKeyfileOvpn(text: string, file: string): KeyfileOpenvpn {
  const report = new Report()
  const ini = parseIni(text, file, false)
  for (const { place, message } of ini.mistakes) report.problem(place, message)
  const { text: ovpn, sources, directives, username } = keyfileToOvpn(ini, report)
  const read = parseOvpn(ovpn, file, file)
  const placed = ({ line }: Place): Place =>
    sources[line - 1]?.[0]?.entry.at ?? { file, line: 0, column: 0 }
  for (const problem of read.report.problems) report.problem(placed(problem), problem.message)
  for (const warning of read.report.warnings) report.warning(placed(warning), warning.message)
  const told = new Map<KeyfileEntry, Directive>()
  for (const { line, verdict, reason } of read.directives) {
    for (const from of sources[line - 1] ?? []) {
      const before = told.get(from)
      if (before !== undefined && WEIGHT[before.verdict] >= WEIGHT[verdict]) continue
      told.set(from, noted(from, verdict, reason))
    }
  }
  return {
    report,
    options: report.problems.length === 0 ? read.options : undefined,
    directives: [...directives, ...told.values()].sort((a, b) => a.line - b.line),
    text: ovpn,
    username,
  }
}
