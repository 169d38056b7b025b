/** What stands after the environment's name: addresses to open, and after `--` options for the browser. */
import { PvpnError } from '../../core/errors.js'
import { CHROMIUM_REFUSED } from './chromium.js'
import type { BrowserFamily } from './contract.js'
import { FIREFOX_REFUSED } from './firefox.js'

/** `192.168.11.10`, `build:8080/path`, or a URL. ERR_CONFIG for what a browser would search the web for. */
export function pageUrl(text: string): string {
  const written = /^(about|chrome|file|data|view-source):/i.test(text) || text.includes('://')
  try {
    return new URL(written ? text : `http://${text}`).href
  } catch {
    throw new PvpnError('ERR_CONFIG', `${JSON.stringify(text)} is no address of a page`, {
      hint: 'write https://HOST/PATH, or HOST',
    })
  }
}

/** The environment, where the first word can be a name at all: `http://x/`, `10.0.0.1` and `--option` can't. */
export function splitName(
  first: string | undefined,
  rest: readonly string[],
): { readonly name: string | undefined; readonly words: readonly string[] } {
  if (first === undefined) return { name: undefined, words: rest }
  if (/^\w[\w-]*$/.test(first)) return { name: first, words: rest }
  return { name: undefined, words: [first, ...rest] }
}

/** Words that begin with a dash are the browser's; the values of its options are written with `=`. */
export function splitWords(words: readonly string[]): {
  readonly urls: readonly string[]
  readonly options: readonly string[]
} {
  const options = words.filter((word) => word.startsWith('-'))
  return { options, urls: words.filter((word) => !word.startsWith('-')).map(pageUrl) }
}

/** ERR_CONFIG for options that would take away what keeps the browser inside. */
export function refuseOptions(options: readonly string[], family: BrowserFamily): void {
  const refused = family === 'chromium' ? CHROMIUM_REFUSED : FIREFOX_REFUSED
  const one = options
    .map((option) => option.split('=')[0] ?? option)
    .find((o) => refused.includes(o))
  if (one === undefined) return
  throw new PvpnError('ERR_CONFIG', `${one} is set by pvpn: it keeps the browser inside`)
}
