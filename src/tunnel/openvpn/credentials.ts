/** What proves the user: the password of the configuration, or the token that the server gave instead. */
import type { OpenvpnOptions } from '../../core/options.js'

export class Credentials {
  readonly #username: string | undefined
  readonly #password: string
  #token: { readonly user: string; readonly token: string } | undefined

  constructor({
    username,
    password,
    challenge,
  }: Pick<OpenvpnOptions, 'username' | 'password' | 'challenge'>) {
    this.#username = username
    this.#password =
      challenge === undefined
        ? (password ?? '')
        : `SCRV1:${base64(password ?? '')}:${base64(challenge)}`
  }

  get username(): string | undefined {
    return this.#username
  }

  get hasToken(): boolean {
    return this.#token !== undefined
  }

  /** Both empty without a user. */
  get current(): { readonly username: string; readonly password: string } {
    if (this.#token !== undefined) {
      return { username: this.#token.user, password: this.#token.token }
    }
    return { username: this.#username ?? '', password: this.#password }
  }

  keepToken(token: string, user: string | undefined): void {
    this.#token = { token, user: user ?? this.#username ?? '' }
  }

  forgetToken(): void {
    this.#token = undefined
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
