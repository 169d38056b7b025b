/** `pvpn import`: one tunnel file becomes an environment of the configuration. */
import { basename, dirname, extname } from 'node:path'
import { PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import { formatListenAddress } from '../../core/listen-address.js'
import type { ListenAddress } from '../../core/options.js'
import type { Target } from '../../core/types.js'
import { parseName } from '../context.js'
import type { Directive } from '../directive.js'
import { decodeText, readBounded } from '../files.js'
import { MAX_CONFIG_BYTES, MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { ConfigError, type Problem } from '../problem.js'
import { parseYaml } from '../yaml.js'
import { addEnvironment, examine, renderEnvironment } from './edit.js'
import { nameFromFile } from './name.js'
import { type ParsedInput, parseInput } from './parse.js'
import { onLoopback, type WireproxyExtras } from './wireproxy.js'
import {
  type Copy,
  copyBeside,
  explainWrites,
  makeFolder,
  planCopy,
  removeCopy,
  replaceFile,
} from './write.js'

export interface ImportRequest {
  /** As the user typed it. */
  readonly file: string
  /** The environment's name; undefined: from the file's. */
  readonly name: string | undefined
  /** The configuration to add to, or to make. */
  readonly config: string
  /** Do everything but write. */
  readonly dryRun: boolean
}

export interface ImportResult {
  readonly name: string
  /** `a wg-quick file`. */
  readonly kind: string
  readonly directives: readonly Directive[]
  /** Decisions that the user should know about. */
  readonly notes: readonly string[]
  readonly warnings: readonly Problem[]
  readonly listen: readonly string[]
  /** The lines for the configuration, passwords left out. */
  readonly lines: string
  /** File name of the copy beside the configuration; undefined where there is nothing to copy. */
  readonly copy: string | undefined
}

/** Ports for environments begin here. */
const FIRST_PORT = 1081

/** Throws ERR_CONFIG when the file or the configuration can't be used, ERR_DENIED when writing fails; then nothing has changed. */
export function importFile(request: ImportRequest): ImportResult {
  const input = readInput(request.file)
  const parsed = parseInput(input.text, request.file, request.name)
  const bytes = parsed.bytes ?? input.bytes
  const before = readConfig(request.config)
  const existing = examine(before ?? '')
  const name = chooseName(request, parsed, existing.names)
  const folder = dirname(request.config)
  const wanted = copyName(request.file, name, parsed.extension)
  const { extras, notes: moved } = placeListeners(parsed.extras, new Set(existing.ports))
  const textWith = (copy: Copy | undefined) => {
    const after = addEnvironment(before ?? '', name, environmentBody(parsed, copy?.name, extras))
    if (after !== undefined) return after
    throw new PvpnError('ERR_CONFIG', `can't add to ${request.config} without changing the rest`, {
      hint: 'write `environments:` as a block with one environment below the other',
    })
  }
  // Everything that can be refused is refused before the first byte is written.
  const planned =
    parsed.whole === true ? undefined : explainWrites(() => planCopy(folder, wanted, bytes))
  textWith(planned)
  let copy = planned
  if (!request.dryRun) {
    copy = explainWrites(() => {
      makeFolder(folder)
      const made = planned === undefined ? undefined : copyBeside(folder, wanted, bytes)
      try {
        if (readConfig(request.config) !== before) throw changedMeanwhile(request.config)
        replaceFile(request.config, Buffer.from(textWith(made)))
      } catch (error) {
        if (made !== undefined) removeCopy(folder, made)
        throw error
      }
      return made
    })
  }
  return {
    name,
    kind: parsed.kind,
    directives: parsed.directives,
    notes: [...parsed.notes, ...moved],
    warnings: parsed.warnings,
    listen: extras.listen.map(formatListenAddress),
    lines: renderEnvironment(
      name,
      environmentBody(withoutPassword(parsed), copy?.name, withoutPasswords(extras)),
    ),
    copy: copy?.name,
  }
}

function changedMeanwhile(config: string): PvpnError {
  return new PvpnError('ERR_ABORTED', `${config} was changed by somebody else meanwhile`, {
    hint: 'try again',
  })
}

function readInput(file: string): { readonly bytes: Uint8Array; readonly text: string } {
  const found = readBounded(file, MAX_TUNNEL_FILE_BYTES)
  if (typeof found === 'string') throw new PvpnError('ERR_CONFIG', `${file} ${found}`)
  const text = decodeText(found.bytes)
  if (text === undefined) throw new PvpnError('ERR_CONFIG', `${file} is not a text file`)
  return { bytes: found.bytes, text }
}

/** The configuration's text; undefined when there is none yet. */
function readConfig(config: string): string | undefined {
  const found = readBounded(config, MAX_CONFIG_BYTES)
  if (found === 'does not exist') return undefined
  if (typeof found === 'string') throw new PvpnError('ERR_CONFIG', `${config} ${found}`)
  const text = decodeText(found.bytes)
  if (text === undefined) throw new PvpnError('ERR_CONFIG', `${config} is not UTF-8 text`)
  const { problems } = parseYaml(text, config)
  if (problems.length > 0) throw new ConfigError(problems)
  return text
}

function chooseName(
  request: ImportRequest,
  { calledAfter = request.file }: ParsedInput,
  taken: ReadonlySet<string>,
): string {
  if (request.name === undefined) return nameFromFile(calledAfter, taken)
  const name = parseName(request.name, (message) => {
    throw new PvpnError('ERR_CONFIG', message)
  })
  if (name !== undefined && !taken.has(name)) return name
  throw new PvpnError('ERR_CONFIG', `${request.config} has an environment "${name}" already`, {
    hint: 'choose another name with --name',
  })
}

/** The file's own name where it is a plain one. */
function copyName(file: string, name: string, extension = extname(file)): string {
  const own = basename(file, extname(file)) + extension
  if (/^[\w@+][\w.@+ -]{0,99}$/.test(own)) return own
  return `${name}${/^\.\w{1,16}$/.test(extension) ? extension : '.conf'}`
}

/** Free ports for everything that listens; what strangers could use without a password moves to loopback. */
function placeListeners(wanted: WireproxyExtras, taken: Set<number>) {
  const notes: string[] = []
  const place = (listen: ListenAddress, guarded: boolean): ListenAddress => {
    const local = guarded ? listen : onLoopback(listen)
    if (local.kind === 'unix') return local
    const port = local.port === 0 ? 0 : nextFree(local.port, taken)
    const placed = { ...local, port }
    if (formatListenAddress(placed) !== formatListenAddress(listen)) {
      const why = local === listen ? 'the port is taken' : 'without users for this machine only'
      notes.push(`${formatListenAddress(placed)} instead of ${formatListenAddress(listen)}: ${why}`)
    }
    return placed
  }
  const guarded = wanted.users.length > 0
  const listen = wanted.listen.map((address) => place(address, guarded))
  if (listen.length === 0) {
    listen.push({ kind: 'tcp', address: '127.0.0.1', port: nextFree(FIRST_PORT, taken) })
  }
  const forwards = wanted.forwards.map((entry) => ({
    ...entry,
    listen: place(entry.listen, false),
  }))
  return { extras: { ...wanted, listen, forwards }, notes }
}

/** Takes the first free port from `from` on. */
function nextFree(from: number, taken: Set<number>): number {
  for (let port = from; port <= 65_535; port++) {
    if (taken.has(port)) continue
    taken.add(port)
    return port
  }
  throw new PvpnError('ERR_CONFIG', `no port from ${from} on is free in the configuration`)
}

function withoutPassword(parsed: ParsedInput): ParsedInput {
  if (parsed.fields?.password === undefined) return parsed
  return { ...parsed, fields: { ...parsed.fields, password: '(not shown)' } }
}

function withoutPasswords(extras: WireproxyExtras): WireproxyExtras {
  return { ...extras, users: extras.users.map(({ name }) => ({ name, password: '(not shown)' })) }
}

/** The environment as YAML has it. */
function environmentBody(
  { type, fields, dns = {} }: ParsedInput,
  copy: string | undefined,
  extras: WireproxyExtras,
): object {
  const target = ({ host, port }: Target) => formatHostPort(host, port)
  const listen = extras.listen.map(formatListenAddress)
  const forwards = extras.forwards.map((forward) => ({
    listen: formatListenAddress(forward.listen),
    to: target(forward.to),
    ...(forward.protocol === 'udp' ? { protocol: 'udp' } : {}),
  }))
  const publish = extras.publish.map(({ port, to }) => ({ port, to: target(to) }))
  return {
    tunnel: { type, ...(copy === undefined ? {} : { file: copy }), ...fields },
    listen: listen.length === 1 ? listen[0] : listen,
    ...(Object.keys(dns).length > 0 ? { dns } : {}),
    ...(extras.users.length > 0 ? { users: extras.users } : {}),
    ...(forwards.length > 0 ? { forwards } : {}),
    ...(publish.length > 0 ? { publish } : {}),
  }
}
