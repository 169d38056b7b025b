/** Servers of the lab's office that the wrapped programs ask: HTTPS with files, PostgreSQL, Redis; and programs built for it. */
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, type Namespace } from '../support/namespace.js'
import { WEB } from '../support/vpn-lab.js'
import type { WrapLab } from './wrap-lab.js'

const SOURCES = fileURLToPath(new URL('../../../test/lab/wrap/', import.meta.url))
const NOBODY = 65534
export const NAME = 'www.office.example'

const FILES = `
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[3])
server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), handler)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

/** Where what was built and what the servers have lies; every user may read it. */
export interface Services {
  readonly folder: string
  /** The certificate of the HTTPS server, which is its own authority. */
  readonly certificate: string
}

export async function startServices(lab: WrapLab): Promise<Services> {
  const { office } = lab.lab.sites
  const folder = join(lab.lab.folder, 'services')
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  const certificate = join(folder, 'certificate.pem')
  const key = join(folder, 'key.pem')
  await Promise.all([
    files(office, lab, folder, key, certificate),
    postgres(office, join(folder, 'postgres')),
    redis(office),
    build(office, folder),
  ])
  return { folder, certificate }
}

/** `/hello`, and the git repository for git's plain HTTP. */
async function files(
  office: Namespace,
  lab: WrapLab,
  folder: string,
  key: string,
  certificate: string,
): Promise<void> {
  const served = join(folder, 'files')
  mkdirSync(served)
  writeFileSync(join(served, 'hello'), 'office says hello\n')
  await office.check([
    'sh',
    '-ec',
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=${NAME} \
       -addext subjectAltName=DNS:${NAME},IP:${WEB} -keyout ${key} -out ${certificate} 2>/dev/null
     cat ${key} ${certificate} > ${key}.both
     git clone -q --bare ${lab.lab.folder}/git/lab.git ${served}/lab.git
     git -C ${served}/lab.git update-server-info`,
  ])
  office.spawn(['/usr/bin/python3', '-c', FILES, WEB, '443', served, `${key}.both`], {
    stdio: 'ignore',
  })
  const up = async () =>
    (await office.run(['curl', '-sf', '--cacert', certificate, `https://${WEB}/hello`])).code === 0
  if (!(await eventually(up))) throw new Error('the HTTPS server does not start')
}

async function postgres(office: Namespace, data: string): Promise<void> {
  mkdirSync(data, { mode: 0o700 })
  chownSync(data, NOBODY, NOBODY)
  const version = readdirSync('/usr/lib/postgresql').sort().at(-1)
  const bin = `/usr/lib/postgresql/${version}/bin`
  const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  await office.check([...user, `${bin}/initdb`, '-D', data, '-U', 'lab', '-A', 'trust', '-N'])
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all 192.168.9.0/24 trust\n')
  const options = ['-D', data, '-h', WEB, '-k', data, '-F']
  office.spawn([...user, `${bin}/postgres`, ...options], { stdio: 'ignore' })
  const up = async () => (await office.run([`${bin}/pg_isready`, '-h', WEB])).code === 0
  if (!(await eventually(up, 20_000))) throw new Error('PostgreSQL does not start')
}

async function redis(office: Namespace): Promise<void> {
  const options = ['--bind', WEB, '--port', '6379', '--save', '', '--protected-mode', 'no']
  office.spawn(['redis-server', ...options, '--dir', '/tmp'], { stdio: 'ignore' })
  const up = async () => (await office.run(['redis-cli', '-h', WEB, 'ping'])).stdout === 'PONG\n'
  if (!(await eventually(up))) throw new Error('Redis does not start')
}

async function build(ns: Namespace, folder: string): Promise<void> {
  const out = (name: string) => join(folder, name)
  const source = (name: string) => join(SOURCES, name)
  const env = {
    ...process.env,
    HOME: folder,
    CGO_ENABLED: '0',
    GOFLAGS: '-mod=mod',
    GOTOOLCHAIN: 'local',
    GO111MODULE: 'off',
  }
  const compilers = [
    ['gcc', '-Wall', '-Werror', '-O1', '-pthread', '-o', out('calls'), source('calls.c')],
    ['musl-gcc', '-static', '-O1', '-o', out('calls-musl'), source('calls.c')],
    ['gcc', '-static', '-O1', '-o', out('raw-client'), source('raw-client.c')],
    ['go', 'build', '-o', out('fetch-go'), source('fetch.go')],
    ['/usr/bin/rustc', '-O', '-o', out('fetch-rust'), source('fetch.rs')],
    ['javac', '-d', folder, source('Fetch.java')],
  ]
  await Promise.all(compilers.map((argv) => ns.check(argv, { env, timeout: 120_000 })))
  await ns.check(['chmod', '-R', 'a+rX', folder])
}
