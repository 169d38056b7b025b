/** Which browser to start: found by name in PATH, or given with its path. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'
import { PvpnError } from '../../core/errors.js'
import type { BrowserFamily } from './contract.js'

export interface BrowserProgram {
  readonly path: string
  /** The name of its profile's folder. */
  readonly name: string
  readonly family: BrowserFamily
  /** The snap's name: it may write to its own folder only. */
  readonly snap?: string
}

/** In the order in which they are looked for. */
const KNOWN: Readonly<Record<string, BrowserFamily>> = {
  chromium: 'chromium',
  'chromium-browser': 'chromium',
  'google-chrome': 'chromium',
  'google-chrome-stable': 'chromium',
  'brave-browser': 'chromium',
  brave: 'chromium',
  'microsoft-edge': 'chromium',
  'microsoft-edge-stable': 'chromium',
  vivaldi: 'chromium',
  firefox: 'firefox',
  'firefox-esr': 'firefox',
  librewolf: 'firefox',
}
/** What people say. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  chromium: ['chromium', 'chromium-browser'],
  chrome: ['google-chrome', 'google-chrome-stable'],
  'google-chrome': ['google-chrome', 'google-chrome-stable'],
  brave: ['brave-browser', 'brave'],
  edge: ['microsoft-edge', 'microsoft-edge-stable'],
  firefox: ['firefox', 'firefox-esr'],
}
/** Milliseconds that a program of an unknown name gets to say its version. */
const VERSION_TIMEOUT = 5_000

/** `wanted`: a name or a path; undefined: the first that is there. ERR_CONFIG when there is none. */
export function findBrowser(
  wanted: string | undefined,
  path: string = process.env.PATH ?? '',
): BrowserProgram {
  if (wanted?.includes('/')) return described(executable(resolve(wanted)) ?? missing(wanted))
  const names = wanted === undefined ? Object.keys(KNOWN) : (OTHER_NAMES[wanted] ?? [wanted])
  for (const name of names) {
    for (const folder of path.split(delimiter)) {
      const found = isAbsolute(folder) ? executable(join(folder, name)) : undefined
      if (found !== undefined) return described(found)
    }
  }
  return missing(wanted)
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile() ? path : undefined
  } catch {
    return undefined
  }
}

function missing(wanted: string | undefined): never {
  const what = wanted === undefined ? 'no browser is installed' : `there is no browser ${wanted}`
  throw new PvpnError('ERR_CONFIG', what, {
    hint: 'install one (Debian, Ubuntu: apt install chromium, or firefox-esr; Fedora: dnf install chromium, or firefox), or name it with --browser NAME or PATH',
  })
}

function described(path: string): BrowserProgram {
  if (/\/flatpak\/exports\//.test(path)) {
    throw new PvpnError(
      'ERR_UNSUPPORTED',
      `${path} is a Flatpak, which can't use a profile of pvpn's`,
      { hint: "install the browser as one of the system's packages, and name it with --browser" },
    )
  }
  const name = basename(path)
  const family = KNOWN[name] ?? familyOf(path)
  const snap = snapName(path)
  return { path, name, family, ...(snap === undefined ? {} : { snap }) }
}

/** By its name, else by what it says of itself. */
function familyOf(path: string): BrowserFamily {
  const name = basename(path)
  if (/firefox|librewolf/i.test(name)) return 'firefox'
  if (/chrom|brave|edge|vivaldi/i.test(name)) return 'chromium'
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT })
  if (/firefox|librewolf/i.test(stdout ?? '')) return 'firefox'
  if (/chrom|brave|edge|vivaldi/i.test(stdout ?? '')) return 'chromium'
  throw new PvpnError('ERR_UNSUPPORTED', `${path} is neither a Chromium nor a Firefox`, {
    hint: 'pvpn env ENV prints proxy variables, pvpn-wrap runs any program inside',
  })
}

/** /snap/bin/NAME, or a script of Ubuntu's in its place. */
function snapName(path: string): string | undefined {
  if (path.startsWith('/snap/bin/')) return basename(path)
  const { size } = statSync(path)
  if (size > 16_384) return undefined
  return /^\s*exec \/snap\/bin\/(\w[\w-]*)/m.exec(readFileSync(path, 'latin1'))?.[1]
}
