/** A line being typed on a terminal in raw mode. Without I/O of its own. */

/** What the line has become: `typing` goes on; `done` with Enter; `given-up` with Ctrl-C, or Ctrl-D before anything. */
export type LineState = 'typing' | 'done' | 'given-up'

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const CTRL_U = '\u0015'
const ESCAPE = '\u001b'
/** ESC and one character, `ESC [ … letter` or `ESC O letter`. */
const SEQUENCE = new RegExp(`^${ESCAPE}(?:[^[O${ESCAPE}]|\\[[0-9;?]*[@-Z\\\\^-~]|O.)$`)

export class LineEditor {
  readonly #most: number
  #text: string[] = []
  #escape = ''
  state: LineState = 'typing'

  /** `most`: characters; what is typed beyond is not taken. */
  constructor(most: number) {
    this.#most = most
  }

  get text(): string {
    return this.#text.join('')
  }

  /** Takes what was typed; returns what came behind the end of the line. */
  type(typed: string): string {
    const characters = [...typed]
    for (const [i, character] of characters.entries()) {
      this.#key(character)
      if (this.state !== 'typing') return characters.slice(i + 1).join('')
    }
    return ''
  }

  #key(character: string): void {
    if (this.#escape !== '' || character === ESCAPE) this.#inEscape(character)
    else if (character === '\r' || character === '\n') this.state = 'done'
    else if (character === CTRL_C) this.state = 'given-up'
    else if (character === CTRL_D) {
      if (this.#text.length === 0) this.state = 'given-up'
    } else if (character === CTRL_U) this.#text = []
    else if (character === '\u007f' || character === '\b') this.#text.pop()
    else if (!/\p{Cc}/u.test(character) && this.#text.length < this.#most) {
      this.#text.push(character)
    }
  }

  /** Arrow keys and the like say nothing. */
  #inEscape(character: string): void {
    this.#escape += character
    const ended = this.#escape.length > 16 || SEQUENCE.test(this.#escape)
    if (ended) this.#escape = ''
  }
}
