/** Names for what is imported. */
import { basename, extname } from 'node:path'
import { parseName } from '../context.js'

const LONGEST = 32

/** A valid name like the file's, that is not in `taken`. */
export function nameFromFile(file: string, taken: ReadonlySet<string>): string {
  const base = basename(file, extname(file))
  const plain = base
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, LONGEST)
    .replace(/-+$/, '')
  const name = parseName(plain, () => undefined) ?? 'vpn'
  for (let n = 1; ; n++) {
    const suffix = n === 1 ? '' : `-${n}`
    const candidate = name.slice(0, LONGEST - suffix.length) + suffix
    if (!taken.has(candidate)) return candidate
  }
}

/** `name` itself, then with numbers, until one is free. For file names: the number goes before the extension. */
export function* numbered(name: string): Generator<string> {
  yield name
  const extension = extname(name)
  const base = basename(name, extension)
  for (let n = 2; ; n++) yield `${base}-${n}${extension}`
}
