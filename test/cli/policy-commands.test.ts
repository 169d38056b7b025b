/** explain, pac and browser-policy as a person runs them. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findProgram } from '../../src/cli/program-search.js'
import { workplace } from './gateway-support.js'

const CONFIGURATION = `version: 1
environments:
  office: { tunnel: { type: direct }, listen: 127.0.0.1:1081 }
  site: { tunnel: { type: direct }, listen: 127.0.0.1:1082 }
  home: { tunnel: { type: direct }, listen: 127.0.0.1:1089 }
policy:
  rules:
    - { domain: [.office.example], environment: office }
    - { program: /bin/sh, port: 22, environment: site }
    - { user: root, domain: root.example, environment: site }
    - { address: 10.0.0.0/8, environment: site }
`

function configured(t: Parameters<typeof workplace>[0]) {
  const w = workplace(t)
  const folder = join(w.folder, '..', 'pvpn')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'pvpn.yaml'), CONFIGURATION)
  chmodSync(join(folder, 'pvpn.yaml'), 0o600)
  return w
}

t.test('explain without a gateway: the rule by file and line, and the environment', async (t) => {
  const w = configured(t)
  t.match(await w.pvpn('explain', 'https://www.office.example/path'), {
    status: 0,
    stdout: /^www\.office\.example:443 → office\n {2}by .*pvpn\.yaml:8\n$/,
  })
  t.match(await w.pvpn('explain', '1.2.3.4:22', '--program', 'sh'), {
    status: 0,
    stdout: /→ site\n {2}by .*pvpn\.yaml:9\n/,
  })
  t.match(await w.pvpn('explain', 'root.example', '--user', '0'), { stdout: /→ site\n.*:10\n/ })
  t.match(await w.pvpn('explain', '[2001:db8::1]:80', '--json'), {
    status: 0,
    stdout: /"environment": null[\s\S]*"by": "default"/,
  })
  t.match(await w.pvpn('explain', '192.168.1.1.site.pvpn.internal'), {
    status: 0,
    stdout: /→ site, as 192\.168\.1\.1\n {2}by its name/,
  })
  t.match(await w.pvpn('explain', 'db.example'), {
    status: 1,
    stderr: /the resolver of site decides about db\.example:443, and no gateway runs/,
  })
  t.match(await w.pvpn('explain'), { status: 2, stderr: /a target is needed, or --last/ })
  t.match(await w.pvpn('explain', 'a b'), { status: 2, stderr: /no HOST, HOST:PORT or URL/ })
  t.match(await w.pvpn('explain', '--last'), { status: 1, stderr: /no gateway runs/ })
})

t.test('pac: the file, and what it says of a URL', async (t) => {
  const w = configured(t)
  t.match(await w.pvpn('pac'), { status: 0, stdout: /^\/\/ Made by pvpn[\s\S]*FindProxyForURL/ })
  const says = async (url: string) => (await w.pvpn('pac', '--explain', url)).stdout
  t.equal(await says('https://www.office.example/'), 'PROXY 127.0.0.1:1081\n')
  t.equal(await says('http://[::1]:8080/'), 'PROXY 127.0.0.1:1080\n')
  t.equal(await says('10.1.2.3'), 'PROXY 127.0.0.1:1082\n')
})

t.test('browser-policy: settings of each browser name the PAC file', async (t) => {
  const w = configured(t)
  const pac = 'http://127.0.0.1:1090/proxy.pac'
  const print = async (...args: string[]) => {
    const { status, stdout } = await w.pvpn('browser-policy', ...args)
    t.equal(status, 0)
    return JSON.parse(stdout)
  }
  t.match(await print('chromium'), {
    ProxySettings: { ProxyMode: 'pac_script', ProxyPacUrl: pac, ProxyPacMandatory: true },
  })
  t.match(await print('firefox'), { policies: { Proxy: { AutoConfigURL: pac, Locked: true } } })
  t.match(await print('foxyproxy', '--pac', 'http://pac.example/p'), {
    mode: 'http://pac.example/p',
    data: [
      { type: 'pac' },
      { title: 'office', port: '1081' },
      { title: 'site' },
      { title: 'home' },
    ],
  })
  t.match(await w.pvpn('browser-policy', 'lynx'), { status: 2, stderr: /lynx is none of/ })
})

t.test('programs are found as a shell finds them', async (t) => {
  t.equal(findProgram('no-such-program'), 'no-such-program')
  t.match(findProgram('sh', '/nowhere:/bin'), /^\/.*\/[a-z]+$/)
  t.match(findProgram('/bin/sh'), /^\//)
})
