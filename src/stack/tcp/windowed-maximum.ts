/** Largest value of a sliding window, kept as three samples (K. Nichols' algorithm, as Linux' lib/win_minmax.c). */
export class WindowedMaximum {
  readonly #window: number
  readonly #at = new Float64Array(3)
  readonly #value = new Float64Array(3)

  constructor(window: number) {
    this.#window = window
  }

  get value(): number {
    return this.#value[0] as number
  }

  reset(at: number, value: number): void {
    this.#at.fill(at)
    this.#value.fill(value)
  }

  /** A sample; `at` never goes back. */
  add(at: number, value: number): void {
    const t = this.#at
    const v = this.#value
    if (value >= (v[0] as number) || at - (t[2] as number) > this.#window) {
      this.reset(at, value)
      return
    }
    if (value >= (v[1] as number)) this.#put(1, at, value)
    else if (value >= (v[2] as number)) this.#set(2, at, value)
    this.#age(at, value)
  }

  #set(i: number, at: number, value: number): void {
    this.#at[i] = at
    this.#value[i] = value
  }

  /** Into place `i` and all behind it. */
  #put(i: number, at: number, value: number): void {
    for (let k = i; k < 3; k++) this.#set(k, at, value)
  }

  #shift(): void {
    for (let k = 0; k < 2; k++)
      this.#set(k, this.#at[k + 1] as number, this.#value[k + 1] as number)
  }

  #age(at: number, value: number): void {
    const passed = at - (this.#at[0] as number)
    if (passed > this.#window) {
      this.#shift()
      this.#set(2, at, value)
      if (at - (this.#at[0] as number) > this.#window) {
        this.#shift()
        this.#set(2, at, value)
      }
    } else if (this.#at[1] === this.#at[0] && passed > this.#window / 4) this.#put(1, at, value)
    else if (this.#at[2] === this.#at[1] && passed > this.#window / 2) this.#set(2, at, value)
  }
}
