/** What `pvpn import` is given, read: each format becomes a tunnel's type, a copy or fields, and a report. */
import { PvpnError } from '../../core/errors.js'
import type { Directive } from '../directive.js'
import { inlineFiles } from '../openvpn/inline.js'
import { type OvpnFile, parseOvpn } from '../openvpn/ovpn.js'
import { ConfigError, type Problem, sortProblems } from '../problem.js'
import { parseWireguardFile } from '../wireguard-file.js'
import { type KeyfileOpenconnect, readKeyfileOpenconnect } from './keyfile-openconnect.js'
import { readKeyfileOvpn } from './keyfile-report.js'
import { fileKind } from './kind.js'
import { importSsh } from './ssh.js'
import { readWireproxy, type WireproxyExtras } from './wireproxy.js'

export interface ParsedInput {
  readonly type: 'wireguard' | 'openvpn' | 'ssh' | 'openconnect'
  readonly kind: string
  readonly extras: WireproxyExtras
  readonly directives: readonly Directive[]
  readonly warnings: readonly Problem[]
  readonly notes: readonly string[]
  /** The copy's content, where it is not the file's own. */
  readonly bytes?: Uint8Array
  /** The copy's extension, where it is not the file's own. */
  readonly extension?: string
  /** What the environment is called after, where that is not the file. */
  readonly calledAfter?: string
  /** Further fields of the tunnel. */
  readonly fields?: Readonly<Record<string, string | boolean>>
  readonly dns?: KeyfileOpenconnect['dns']
  /** The fields say it all: there is nothing to copy. */
  readonly whole?: true
}

/** What the file is, read; throws ERR_CONFIG with every mistake in it. */
export function parseInput(text: string, file: string, name: string | undefined): ParsedInput {
  const kind = fileKind(text)
  if (kind.kind === 'unknown') {
    throw new PvpnError('ERR_CONFIG', `${file} is no tunnel file that pvpn knows`, {
      hint: 'it takes wg-quick, wireproxy, .ovpn and ssh_config files and NetworkManager keyfiles',
    })
  }
  if (kind.kind === 'unsupported') throw new PvpnError('ERR_CONFIG', `${file} is ${kind.words}`)
  if (kind.kind === 'openvpn') return parseOpenvpn(text, file, kind.words)
  if (kind.kind === 'ssh') return parseSsh(text, file, name, kind.words)
  if (kind.kind === 'keyfile-openconnect') return parseKeyfileOpenconnect(text, file, kind.words)
  if (kind.kind === 'keyfile-openvpn') return parseKeyfileOpenvpn(text, file, kind.words)
  const wireguard = parseWireguardFile(text, file)
  const extras = readWireproxy(wireguard.others, wireguard.report)
  const problems = sortProblems(wireguard.report.problems, file)
  if (problems.length > 0) {
    throw new ConfigError(problems, { hint: 'nothing was written' })
  }
  const directives = [...wireguard.directives, ...extras.directives]
  return {
    type: 'wireguard',
    kind: kind.words,
    extras,
    directives: directives.sort((a, b) => a.line - b.line),
    warnings: wireguard.report.warnings,
    notes: [],
  }
}

const NO_EXTRAS: WireproxyExtras = {
  listen: [],
  users: [],
  forwards: [],
  publish: [],
  directives: [],
}

function parseSsh(
  text: string,
  file: string,
  name: string | undefined,
  words: string,
): ParsedInput {
  const { host, ...rest } = importSsh(text, file, name)
  return {
    type: 'ssh',
    kind: words,
    extras: NO_EXTRAS,
    ...rest,
    calledAfter: host,
    fields: { host },
  }
}

function parseOpenvpn(text: string, file: string, words: string): ParsedInput {
  const parsed = parseOvpn(text, file, file)
  return openvpnInput({ ...parsed, text, file, words })
}

/** A keyfile's copy is the .ovpn file that says the same. */
function parseKeyfileOpenvpn(text: string, file: string, words: string): ParsedInput {
  const { username, ...read } = readKeyfileOvpn(text, file)
  const input = openvpnInput({ ...read, file, words })
  return {
    ...input,
    bytes: input.bytes ?? new TextEncoder().encode(read.text),
    extension: '.ovpn',
    ...(username === undefined ? {} : { fields: { username } }),
  }
}

function parseKeyfileOpenconnect(text: string, file: string, words: string): ParsedInput {
  const { fields, dns, directives, report } = readKeyfileOpenconnect(text, file)
  const problems = sortProblems(report.problems, file)
  if (problems.length > 0) throw new ConfigError(problems, { hint: 'nothing was written' })
  const files = ['ca', 'certificate', 'key'].some((name) => name in fields)
  return {
    type: 'openconnect',
    kind: words,
    extras: NO_EXTRAS,
    directives,
    warnings: report.warnings,
    notes: [
      ...(files ? ['certificates and keys stay where they are'] : []),
      ...('password' in fields
        ? []
        : ['where the server asks for a password, `pvpn start` will ask you']),
    ],
    fields,
    dns,
    whole: true,
  }
}

function openvpnInput(
  input: Pick<OvpnFile, 'report' | 'directives' | 'options'> & {
    readonly text: string
    readonly file: string
    readonly words: string
  },
): ParsedInput {
  const { text, file, report, directives, options } = input
  const problems = sortProblems(report.problems, file)
  if (problems.length > 0) throw new ConfigError(problems, { hint: 'nothing was written' })
  const whole = inlineFiles(text, file)
  const asked = options?.asksPassword === true && options.password === undefined
  const challenge =
    options?.staticChallenge === undefined ? '' : '; and for the answer to its challenge'
  return {
    type: 'openvpn',
    kind: input.words,
    extras: NO_EXTRAS,
    directives,
    warnings: report.warnings,
    notes: [
      ...(whole === text ? [] : ['the files that it names were put into the copy']),
      ...(asked
        ? [
            `it asks for a password: \`pvpn start\` will ask you, or add username and password_file to its tunnel${challenge}`,
          ]
        : []),
    ],
    ...(whole === text ? {} : { bytes: new TextEncoder().encode(whole) }),
  }
}
