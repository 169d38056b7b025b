/** What NetworkManager's keyfiles for VPN services have in common: sections, escapes, and lines made of entries. */
import type { Directive } from '../directive.js'
import type { IniEntry, IniFile, IniSection } from '../ini.js'
import type { Report } from '../reader.js'

/** An entry with its value as NetworkManager means it, and the name reports use. */
export interface KeyfileEntry {
  readonly key: string
  readonly value: string
  /** `[vpn] remote`. */
  readonly shown: string
  readonly entry: IniEntry
}

/** One line of an .ovpn file, and the entries that it says. */
export interface OvpnSource {
  readonly words: readonly string[]
  readonly from: readonly KeyfileEntry[]
}

const ESCAPES: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' }

/** Control characters: no value of ours has any, and one could end a line of what is made of it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

/** The section's entries, unescaped as GKeyFile does; those of control characters go to `report`. */
export function entriesOf(section: IniSection, report: Report): readonly KeyfileEntry[] {
  return section.entries.flatMap((entry) => {
    const value = entry.value.replace(/\\(.)/g, (all, c: string) => ESCAPES[c] ?? all)
    const shown = `[${section.name}] ${entry.key}`
    if (!CONTROL.test(value)) return [{ key: entry.key, value, shown, entry }]
    report.problem(entry.at, `${shown} has control characters in its value`)
    return []
  })
}

/** `[vpn] service-type`, without what all of them begin with: `openvpn`, `openconnect`, …. */
export function vpnService(ini: IniFile): string | undefined {
  const vpn = ini.sections.find(({ name }) => name === 'vpn')
  const service = vpn?.entries.find(({ key }) => key === 'service-type')?.value
  return service?.replace(/^org\.freedesktop\.NetworkManager\./, '')
}

/** A list of NetworkManager's: `;` or `,` between and often behind the items. */
export function listOf(value: string): readonly string[] {
  return value
    .split(/[;,]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** `yes`, as the VPN plugins write it, or `true`, as NetworkManager does. */
export function isYes(value: string): boolean {
  return value === 'yes' || value === 'true' || value === '1'
}

export function noted(
  from: KeyfileEntry,
  verdict: Directive['verdict'],
  reason?: string,
): Directive {
  const { line } = from.entry.place
  return { line, name: from.shown, verdict, ...(reason === undefined ? {} : { reason }) }
}

/** One word of an .ovpn line, quoted where it has to be. */
export function ovpnWord(word: string): string {
  return /^[\w.:/@%+,=-]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
}
