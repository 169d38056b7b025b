/**
 * What an ssh_config file says of one host (ssh_config(5)): Host, Match and Include, first value wins.
 * Nothing that it names is run.
 */
import { readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { matchesPatterns, matchesWildcard } from '../../core/host-pattern.js'
import type { Directive } from '../directive.js'
import { decodeText, readBounded } from '../files.js'
import { MAX_SSH_FILES, MAX_SSH_INCLUDE_DEPTH, MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import type { Problem } from '../problem.js'
import { ADDING, HONOURED, IGNORED, REFUSED } from './keywords.js'
import { readSshLines, type SshLine } from './lines.js'

export interface SshQuestion {
  /** As on ssh's command line. */
  readonly host: string
  readonly user: string | undefined
  readonly localUser: string
  readonly home: string
}

export interface SshValue {
  readonly args: readonly string[]
  /** Where it stands. */
  readonly file: string
  readonly line: number
}

export interface SshEntry {
  /** By keyword in lower case; the first one, or all where they add up. */
  readonly values: ReadonlyMap<string, readonly SshValue[]>
  /** Names of hosts without wildcards, as written, in the order of the file. */
  readonly hosts: readonly string[]
  /** A `Host` that is more than `*` fits. */
  readonly named: boolean
  /** What became of the directives that are for this host; those of other files without their lines' order. */
  readonly directives: readonly Directive[]
  readonly warnings: readonly Problem[]
  readonly problems: readonly Problem[]
}

/** `shown` is the file as the user would type it. Never throws. */
export function evaluateSsh(text: string, shown: string, question: SshQuestion): SshEntry {
  const evaluation = new Evaluation(question)
  evaluation.file(text, shown, 0, true)
  return evaluation
}

class Evaluation implements SshEntry {
  readonly values = new Map<string, SshValue[]>()
  readonly hosts: string[] = []
  named = false
  readonly directives: Directive[] = []
  readonly warnings: Problem[] = []
  readonly problems: Problem[] = []
  readonly #question: SshQuestion
  #files = 0

  constructor(question: SshQuestion) {
    this.#question = question
  }

  /** `applies`: whether the place of the Include does. */
  file(text: string, shown: string, depth: number, applies: boolean): void {
    this.#files++
    const { lines, mistakes } = readSshLines(text)
    for (const { line, message } of mistakes) this.#say(this.problems, shown, line, message)
    let active = applies
    for (const entry of lines) {
      const { keyword, args, line } = entry
      if (keyword === 'host') {
        this.hosts.push(...args.filter((arg) => !/[*?!]/.test(arg) && !this.hosts.includes(arg)))
        active = applies && matchesPatterns(this.#question.host, args)
        if (active && args.some((arg) => /[^*!]/.test(arg) && !arg.startsWith('!')))
          this.named = true
        if (active) this.#note(entry, 'honoured', undefined, depth, shown)
      } else if (keyword === 'match') {
        active = applies && this.#matches(entry, shown)
        if (active) this.#note(entry, 'honoured', undefined, depth, shown)
      } else if (keyword === 'include') {
        if (active) this.#note(entry, 'honoured', undefined, depth, shown)
        for (const found of args.flatMap((arg) => this.#included(arg, shown, line))) {
          this.#include(found, { shown, line }, depth, active)
        }
      } else if (active) {
        this.#directive(entry, depth, shown)
      }
    }
  }

  #directive(entry: SshLine, depth: number, shown: string): void {
    const { keyword, args, line } = entry
    const known = this.values.get(keyword)
    const value = { args, file: shown, line }
    const note = (verdict: Directive['verdict'], reason?: string) =>
      this.#note(entry, verdict, reason, depth, shown)
    if (keyword === 'proxycommand' || keyword === 'proxyjump') {
      // The first of the two counts, whichever it is.
      if (this.values.has('proxyjump') || this.values.has('proxycommand')) {
        note('ignored', 'an earlier line says it')
        return
      }
      this.values.set(keyword, [value])
      if (keyword === 'proxyjump' || args[0]?.toLowerCase() === 'none') note('honoured')
      else
        note('refused', 'programs of a tunnel file are never run: use ProxyJump, or through: ENV')
    } else if (keyword === 'stricthostkeychecking') {
      const reason = 'host keys are always checked: one that is not in known_hosts is refused'
      if (args[0]?.toLowerCase() === 'yes') note('honoured')
      else note('ignored', reason)
      // A relaxation is never left out in silence.
      if (/^(no|off|accept-new)$/i.test(args[0] ?? '')) {
        this.#say(this.warnings, shown, line, `${entry.name} is left out: ${reason}`)
      }
    } else if (HONOURED.has(keyword)) {
      if (args.length === 0) this.#say(this.problems, shown, line, `${entry.name} has no value`)
      else if (known !== undefined && !ADDING.has(keyword))
        note('ignored', 'an earlier line says it')
      else {
        this.values.set(keyword, [...(known ?? []), value])
        note('honoured')
      }
    } else if (REFUSED[keyword] !== undefined) {
      note('refused', REFUSED[keyword])
      this.#say(this.warnings, shown, line, `${entry.name} is left out: ${REFUSED[keyword]}`)
    } else note('ignored', IGNORED[keyword] ?? 'not known')
  }

  /** `all`, `host`, `originalhost`, `user` and `localuser`; what else there is does not match. */
  #matches({ args, line }: SshLine, shown: string): boolean {
    const { host, user, localUser } = this.#question
    const hostName = this.values.get('hostname')?.[0]?.args[0]?.replaceAll('%h', host) ?? host
    const subjects: Readonly<Record<string, string>> = {
      host: hostName,
      originalhost: host,
      user: user ?? this.values.get('user')?.[0]?.args[0] ?? localUser,
      localuser: localUser,
    }
    let matches = true
    // `Match user=ann` is the same as `Match user ann`.
    const words = args.flatMap((arg) => splitOnce(arg))
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as string
      const negated = word.startsWith('!')
      const name = word.replace(/^!/, '').toLowerCase()
      if (name === 'all') continue
      const subject = subjects[name]
      if (subject === undefined) {
        const why = name === 'exec' ? 'programs of a tunnel file are never run' : 'not supported'
        this.#say(this.warnings, shown, line, `Match ${name} is left out: ${why}`)
        return false
      }
      const fits = matchesPatterns(subject, (words[++i] ?? '').split(','))
      if (fits === negated) matches = false
    }
    return matches && words.length > 0
  }

  #include(
    path: string,
    at: { readonly shown: string; readonly line: number },
    depth: number,
    applies: boolean,
  ): void {
    const { shown, line } = at
    if (depth >= MAX_SSH_INCLUDE_DEPTH || this.#files >= MAX_SSH_FILES) {
      this.#say(this.warnings, shown, line, `too many files: ${path} is left out`)
      return
    }
    const found = readBounded(path, MAX_TUNNEL_FILE_BYTES)
    const text = typeof found === 'string' ? undefined : decodeText(found.bytes)
    // OpenSSH does not mind a file that is not there.
    if (found === 'does not exist') return
    if (text === undefined) {
      const why = typeof found === 'string' ? found : 'is not text'
      this.#say(this.warnings, shown, line, `${path} ${why}`)
      return
    }
    this.file(text, path, depth + 1, applies)
  }

  /** Files behind an Include: relative ones are in ~/.ssh; wildcards in any part of the path. */
  #included(pattern: string, shown: string, line: number): readonly string[] {
    const { home } = this.#question
    const expanded = pattern.startsWith('~/') ? join(home, pattern.slice(2)) : pattern
    const path = resolve(home, '.ssh', expanded)
    const found = glob(path)
    if (found.length > MAX_SSH_FILES) {
      this.#say(this.warnings, shown, line, `${pattern} are more than ${MAX_SSH_FILES} files`)
    }
    return found.slice(0, MAX_SSH_FILES)
  }

  /** Lines of included files are in the report as `NAME (FILE)`, as the line's number is another file's. */
  #note(
    { line, name }: SshLine,
    verdict: Directive['verdict'],
    reason: string | undefined,
    depth: number,
    shown: string,
  ): void {
    const label = depth === 0 ? name : `${name} (${basename(shown)})`
    this.directives.push({
      line,
      name: label,
      verdict,
      ...(reason === undefined ? {} : { reason }),
    })
  }

  #say(list: Problem[], file: string, line: number, message: string): void {
    list.push({ file, line, column: 1, message })
  }
}

function splitOnce(word: string): readonly string[] {
  const at = word.indexOf('=')
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}

/** Paths that fit, sorted; hidden names only where the pattern begins with a dot. */
function glob(pattern: string): readonly string[] {
  if (!/[*?]/.test(pattern)) return [pattern]
  const folders = glob(dirname(pattern))
  const name = basename(pattern)
  return folders.flatMap((folder) => {
    if (!/[*?]/.test(name)) return [join(folder, name)]
    try {
      return readdirSync(folder)
        .filter((entry) => name.startsWith('.') || !entry.startsWith('.'))
        .filter((entry) => matchesWildcard(entry, name))
        .toSorted()
        .slice(0, MAX_SSH_FILES + 1)
        .map((entry) => join(folder, entry))
    } catch {
      return []
    }
  })
}
