/** The cookies of one server, as far as its login needs them: name and value, no more (RFC 6265). */
import { OC_COOKIE_BYTES, OC_COOKIES } from './limits.js'

/** Name and value with blanks around them, before they are looked at closely. */
const MOST_PAIR = 2 * OC_COOKIE_BYTES

export class Cookies {
  readonly #values = new Map<string, string>()

  /** A Set-Cookie field. One without a value, or out of date, takes the cookie away. */
  take(field: string): void {
    const [pair = '', ...attributes] = field.split(';')
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.length > MOST_PAIR) return
    const [name, value] = [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name) || !/^[!-:<-~]*$/.test(value)) return
    const gone = value === '' || attributes.some((one) => /^\s*max-age=\s*(0|-)/i.test(one))
    if (gone) this.#values.delete(name)
    else if (value.length > OC_COOKIE_BYTES) return
    else if (this.#values.has(name) || this.#values.size < OC_COOKIES) this.#values.set(name, value)
  }

  set(name: string, value: string): void {
    this.#values.set(name, value)
  }

  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  clear(): void {
    this.#values.clear()
  }

  /** For a Cookie field; empty when there are none. */
  get text(): string {
    return [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}
