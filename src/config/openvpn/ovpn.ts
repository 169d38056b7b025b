/** An .ovpn file: options for the tunnel, and what became of each of its directives. */
import type { OpenvpnOptions, OpenvpnProtection } from '../../core/options.js'
import type { Directive } from '../directive.js'
import { didYouMean } from '../nearest.js'
import type { Place } from '../place.js'
import { Report } from '../reader.js'
import { OvpnDraft, transportOf } from './draft.js'
import { IGNORED, IMPOSSIBLE, REFUSED, refusedPrefix } from './known.js'
import { type OvpnLine, readOvpnLines } from './lines.js'
import type { FileSource } from './material.js'
import { type Outcome, READERS, readableCertificate } from './readers.js'

/** Remotes of one file; more is an error. */
const MAX_REMOTES = 64

export interface OvpnFile {
  /** Undefined when `report` has problems. What the configuration may add stands beside it. */
  readonly options: OpenvpnOptions | undefined
  readonly localPortAt: Place | undefined
  /** In the file's order. */
  readonly directives: readonly Directive[]
  readonly report: Report
}

/**
 * Reads the text of an .ovpn file; never throws. `path` is where it stands, to find the files that it
 * names; `shown` what messages call it.
 */
export function parseOvpn(text: string, path: string, shown: string): OvpnFile {
  return new OvpnReader(path, shown).read(text)
}

class OvpnReader {
  readonly #shown: string
  readonly #source: FileSource
  readonly #report = new Report()
  readonly #directives: Directive[] = []
  readonly #tolerated = new Set<string>()
  #draft = new OvpnDraft()

  constructor(path: string, shown: string) {
    this.#shown = shown
    this.#source = {
      path,
      problem: (line, message) => this.#report.problem(this.#place(line), message) as undefined,
      warning: (line, message) => this.#report.warning(this.#place(line), message),
    }
  }

  read(text: string): OvpnFile {
    const { lines, mistakes } = readOvpnLines(text)
    for (const { line, message } of mistakes) {
      this.#report.problem({ file: this.#shown, line, column: 1 }, message)
    }
    for (const line of lines) {
      if (line.name === 'ignore-unknown-option')
        for (const name of line.args) this.#tolerated.add(name)
    }
    for (const line of lines) this.#line(line)
    const options = this.#finish()
    const { localPort } = this.#draft
    return {
      options: this.#report.problems.length === 0 ? options : undefined,
      localPortAt: localPort === undefined ? undefined : this.#place(localPort.line),
      directives: this.#directives,
      report: this.#report,
    }
  }

  #line(line: OvpnLine): void {
    if (line.name === 'connection' && line.inline !== undefined) this.#connection(line, line.inline)
    else if (line.name === 'setenv' && line.args[0] === 'opt' && line.args[1] !== undefined) {
      // `setenv opt X`: X, when it is known.
      this.#line({ ...line, name: line.args[1], args: line.args.slice(2) })
    } else this.#note(line, this.#outcome(line))
  }

  #outcome(line: OvpnLine): Outcome {
    const { name } = line
    const own = <T>(table: Readonly<Record<string, T>>): T | undefined =>
      Object.hasOwn(table, name) ? table[name] : undefined
    const impossible = own(IMPOSSIBLE)
    if (impossible !== undefined) return this.#source.problem(line, `"${name}" ${impossible}`)
    const read = own(READERS)
    if (read !== undefined) return read(line, this.#draft, this.#source)
    const ignored = own(IGNORED)
    if (ignored !== undefined) return { ignored }
    const refused = own(REFUSED) ?? refusedPrefix(name)
    if (refused !== undefined) return { refused }
    if (name === 'ignore-unknown-option') return undefined
    if (this.#tolerated.has(name))
      return { ignored: 'unknown, and the file says that this is no matter' }
    const known = [READERS, IGNORED, REFUSED].flatMap((table) => Object.keys(table))
    return { refused: `unknown to pvpn${didYouMean(name, known)}` }
  }

  /** A `<connection>` block: remotes of its own, with its own port and protocol. */
  #connection(block: OvpnLine, text: string): void {
    const outer = this.#draft
    const { port, proto } = outer
    const before = outer.remotes.length
    const { lines, mistakes } = readOvpnLines(text)
    for (const { line, message } of mistakes)
      this.#source.problem({ ...block, line: block.line + line }, message)
    for (const line of lines) this.#line({ ...line, line: block.line + line.line })
    for (let i = before; i < outer.remotes.length; i++) {
      const remote = outer.remotes[i]
      if (remote === undefined) continue
      outer.remotes[i] = {
        ...remote,
        port: remote.port ?? outer.port,
        proto: remote.proto ?? outer.proto,
      }
    }
    outer.port = port
    outer.proto = proto
  }

  #note(line: OvpnLine, outcome: Outcome): void {
    const name = line.inline === undefined ? line.name : `<${line.name}>`
    const verdict =
      outcome === undefined
        ? ({ verdict: 'honoured' } as const)
        : 'ignored' in outcome
          ? ({ verdict: 'ignored', reason: outcome.ignored } as const)
          : ({ verdict: 'refused', reason: outcome.refused } as const)
    this.#directives.push({ line: line.line, name, ...verdict })
  }

  #place(line: OvpnLine): Place {
    return { file: this.#shown, line: line.line, column: 1 }
  }

  #finish(): OpenvpnOptions | undefined {
    const draft = this.#draft
    const whole = { file: this.#shown, line: 0, column: 0 }
    if (draft.remotes.length === 0) this.#report.problem(whole, 'there is no "remote"')
    if (draft.remotes.length > MAX_REMOTES)
      this.#report.problem(whole, `more than ${MAX_REMOTES} remotes`)
    const { ca, pkcs12, fingerprints, certificate, key } = draft
    if (ca.length === 0 && pkcs12 === undefined && fingerprints.length === 0) {
      this.#report.problem(
        whole,
        '"ca" (or "peer-fingerprint") is missing: nothing would prove the server',
      )
    }
    if ((certificate === '') !== (key === undefined)) {
      this.#report.problem(whole, `"${key === undefined ? 'key' : 'cert'}" is missing`)
    }
    if (certificate !== '' && !readableCertificate(certificate)) {
      this.#report.problem(whole, '"cert" holds no certificate that can be read')
    }
    this.#warnOfChecks(whole)
    return this.#report.problems.length > 0 ? undefined : this.#options()
  }

  /** Every relaxation is said. */
  #warnOfChecks(whole: Place): void {
    const { name, usages, fingerprints, weakCertificates, minimum } = this.#draft
    if (name === undefined && usages.length === 0 && fingerprints.length === 0) {
      this.#report.warning(
        whole,
        'any certificate of the authority may be the server: add `remote-cert-tls server` or verify-x509-name',
      )
    }
    if (weakCertificates)
      this.#report.warning(whole, 'tls-cert-profile insecure: weak certificates are taken')
    if (minimum === 'TLSv1' || minimum === 'TLSv1.1') {
      this.#report.warning(whole, `tls-version-min allows ${minimum}, which is broken`)
    }
  }

  #options(): OpenvpnOptions {
    const d = this.#draft
    const fallback =
      d.fallback ?? (d.cipher !== undefined && isKnown(d.cipher) ? d.cipher : undefined)
    return {
      type: 'openvpn',
      remotes: d.remotes.map(({ host, port, proto }) => ({
        host,
        port: port ?? d.port,
        ...(transportOf(proto ?? d.proto) ?? { transport: 'udp' as const }),
      })),
      remoteRandom: d.remoteRandom,
      protection: protectionOf(d),
      tls: tlsOf(d),
      asksPassword: d.asksPassword,
      ...defined({
        username: d.username,
        password: d.password,
        staticChallenge: d.challenge,
        forgetsPassword: d.forgetsPassword || undefined,
        fallbackCipher: fallback,
      }),
      ciphers: d.ciphers,
      digest: d.digest,
      directives: d.directives,
      routeNoPull: d.routeNoPull,
      pullFilters: d.pullFilters,
      peerInfo: d.peerInfo,
      localPort: d.localPort?.port ?? 0,
      float: d.float,
      ...defined({
        connectTimeout: d.connectTimeout,
        handshakeWindow: d.handshakeWindow,
        renegotiateSeconds: d.renegotiateSeconds,
        retrySeconds: d.retrySeconds,
        retryMaximum: d.retryMaximum,
      }),
    }
  }
}

/** Without the members that are undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function isKnown(cipher: string): boolean {
  return /^(AES-\d+-(GCM|CBC)|CHACHA20-POLY1305)$/.test(cipher)
}

function protectionOf({
  tlsCryptV2,
  tlsCrypt,
  tlsAuth,
  digest,
  keyDirection,
}: OvpnDraft): OpenvpnProtection {
  if (tlsCryptV2 !== undefined) return { kind: 'tls-crypt-v2', ...tlsCryptV2 }
  if (tlsCrypt !== undefined) return { kind: 'tls-crypt', key: tlsCrypt }
  if (tlsAuth === undefined) return { kind: 'none' }
  return {
    kind: 'tls-auth',
    key: tlsAuth.key,
    digest,
    direction: tlsAuth.direction ?? keyDirection,
  }
}

function tlsOf(d: OvpnDraft): OpenvpnOptions['tls'] {
  return {
    ca: d.ca,
    usages: d.usages,
    fingerprints: d.fingerprints,
    weakCertificates: d.weakCertificates,
    ...(d.keyUsage ? { keyUsage: true } : {}),
    ...(d.certificate === '' ? {} : { certificate: d.certificate + d.extraCertificates }),
    ...(d.crl.length === 0 ? {} : { crl: d.crl }),
    ...defined({
      key: d.key,
      pkcs12: d.pkcs12,
      keyPassword: d.keyPassword,
      minimum: d.minimum,
      maximum: d.maximum,
      name: d.name,
      ciphers: d.tlsCiphers,
      suites: d.tlsSuites,
      groups: d.tlsGroups,
    }),
  }
}
