/** Certificates for a lab, made with Debian's openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Identity {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

export interface IssueOptions {
  /** `noKeyUsage`: for a server by its extended usage alone. */
  readonly usage?: 'serverAuth' | 'clientAuth' | 'none' | 'noKeyUsage'
  /** OpenSSL's times, `YYYYMMDDHHMMSSZ`; default: a year from yesterday. */
  readonly from?: string
  readonly until?: string
}

export class Pki {
  readonly #folder = mkdtempSync(join(tmpdir(), 'pvpn-pki-'))
  readonly #name: string

  /** A new authority with this common name. */
  constructor(name = 'lab CA') {
    this.#name = name
    this.#write('index.txt', '')
    this.#write('serial', '1000\n')
    this.#write('crlnumber', '1000\n')
    this.#write(
      'ca.cnf',
      `[ca]
default_ca = lab
[lab]
dir = ${this.#folder}
database = $dir/index.txt
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.crt
private_key = $dir/ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
[serverAuth]
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
[noKeyUsage]
extendedKeyUsage = serverAuth
[clientAuth]
extendedKeyUsage = clientAuth
[none]
basicConstraints = CA:FALSE
`,
    )
    this.#key('ca.key')
    this.#openssl(
      ...['req', '-new', '-x509', '-key', 'ca.key', '-out', 'ca.crt', '-days', '3650'],
      ...['-subj', `/CN=${this.#name}`],
    )
  }

  get ca(): string {
    return this.#read('ca.crt')
  }

  /** A key and its certificate. */
  issue(name: string, { usage = 'serverAuth', from, until }: IssueOptions = {}): Identity {
    const file = name.replace(/\W/g, '-')
    this.#key(`${file}.key`)
    this.#openssl(
      'req',
      '-new',
      '-key',
      `${file}.key`,
      '-out',
      `${file}.csr`,
      '-subj',
      `/CN=${name}`,
    )
    this.#openssl(
      ...['ca', '-batch', '-notext', '-config', 'ca.cnf', '-extensions', usage],
      ...['-in', `${file}.csr`, '-out', `${file}.crt`],
      ...(from === undefined ? [] : ['-startdate', from]),
      ...(until === undefined ? [] : ['-enddate', until]),
    )
    return { certificate: this.#read(`${file}.crt`), key: this.#read(`${file}.key`) }
  }

  /** The revocation list, with these certificates on it. */
  revoke(...names: readonly string[]): string {
    for (const name of names) {
      this.#openssl('ca', '-config', 'ca.cnf', '-revoke', `${name.replace(/\W/g, '-')}.crt`)
    }
    this.#openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'crl.pem')
    return this.#read('crl.pem')
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #key(file: string): void {
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file)
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8')
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text)
  }
}
