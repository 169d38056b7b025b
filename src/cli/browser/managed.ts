/**
 * Policies of the machine's administrator stand above command line and profile: where they name a
 * proxy, a browser can't be given to one environment.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PvpnError } from '../../core/errors.js'
import type { BrowserProgram } from './programs.js'

const CHROMIUM_FOLDERS = [
  ['chromium', '/etc/chromium/policies/managed'],
  ['chromium', '/etc/chromium-browser/policies/managed'],
  ['chrome', '/etc/opt/chrome/policies/managed'],
  ['brave', '/etc/brave/policies/managed'],
  ['edge', '/etc/opt/edge/policies/managed'],
] as const

/** Chromium's policies about the proxy, old ones too. */
const PROXY_POLICIES = [
  'ProxySettings',
  'ProxyMode',
  'ProxyServer',
  'ProxyPacUrl',
  'ProxyServerMode',
]

/** ERR_UNSUPPORTED when a file sets the proxy. `root`: where `/etc` is, for tests. */
export function refuseManagedProxy({ path, name, family }: BrowserProgram, root = '/'): void {
  const file =
    family === 'chromium' ? chromiumPolicy(name, root) : firefoxPolicy(dirname(path), root)
  if (file === undefined) return
  throw new PvpnError(
    'ERR_UNSUPPORTED',
    `${file} sets the proxy of every window of ${name}: it would not keep to one environment`,
    { hint: 'take the proxy out of that file, or use another browser: --browser NAME' },
  )
}

function chromiumPolicy(name: string, root: string): string | undefined {
  const known = CHROMIUM_FOLDERS.some(([word]) => name.includes(word))
  for (const [word, folder] of CHROMIUM_FOLDERS) {
    // A program of an unknown name could read any of them.
    if (known && !name.includes(word)) continue
    for (const file of filesOf(join(root, folder))) {
      const policies = objectIn(file)
      if (PROXY_POLICIES.some((policy) => Object.hasOwn(policies, policy))) return file
    }
  }
  return undefined
}

function firefoxPolicy(program: string, root: string): string | undefined {
  const files = [
    join(root, '/etc/firefox/policies/policies.json'),
    join(root, '/etc/firefox-esr/policies/policies.json'),
    join(program, 'distribution/policies.json'),
  ]
  return files.find((file) => {
    const { policies } = objectIn(file) as { policies?: object }
    const { Proxy: proxy } = (policies ?? {}) as { Proxy?: object }
    return proxy !== undefined && Object.keys(proxy).some((key) => key !== 'Locked')
  })
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** What can't be read or parsed counts as empty, as browsers take it. */
function objectIn(file: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
