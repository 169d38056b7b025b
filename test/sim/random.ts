/** Seeded randomness for simulations: xorshift128 over 32-bit words. */
export class SeededRandom {
  #a: number
  #b = 0x9e3779b9 | 0
  #c = 0x243f6a88 | 0
  #d = 0xb7e15162 | 0

  constructor(seed: number) {
    this.#a = seed | 0
    for (let i = 0; i < 16; i++) this.word()
  }

  /** A signed 32-bit word. */
  word(): number {
    const t = this.#d
    const s = this.#a
    this.#d = this.#c
    this.#c = this.#b
    this.#b = s
    let u = t ^ (t << 11)
    u ^= u >>> 8
    this.#a = u ^ s ^ (s >>> 19)
    return this.#a
  }

  /** 0 <= x < 1 */
  fraction(): number {
    return (this.word() >>> 0) / 4294967296
  }

  /** low … high, both included */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  readonly fill = (out: Uint8Array): void => {
    for (let i = 0; i < out.length; i++) out[i] = this.word()
  }
}
