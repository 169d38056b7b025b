/** What one environment's tunnel asks of a person, and the answers kept in memory for the next time. */
import { randomUUID } from 'node:crypto'
import type { Answers, Question } from '../core/question.js'

export class Asking {
  #open: readonly Question[] = []
  /** Of the questions that are open: an answer to others is none to these. */
  #id = ''
  /** The tunnel's whole question, answered in part from memory. */
  #asked: readonly Question[] = []
  readonly #kept = new Map<string, string>()
  /** Fields whose kept answer was given since the tunnel was last up. */
  readonly #given = new Set<string>()

  /** What is left for a person to say. */
  get open(): readonly Question[] {
    return this.#open
  }

  /** Another one for each question put to a person, also when its words are the same. */
  get id(): string {
    return this.#id
  }

  /** The tunnel asks this. The result is its answer when all of it is known. */
  asked(questions: readonly Question[]): Answers | undefined {
    for (const { field, refused } of questions) {
      // Given once and asked again without coming up: it was wrong, whether the tunnel says so or not.
      if (refused || this.#given.has(field)) this.#kept.delete(field)
    }
    this.#asked = questions
    this.#id = randomUUID()
    this.#open = questions.filter(({ field, once }) => once || !this.#kept.has(field))
    return questions.length > 0 && this.#open.length === 0 ? this.#take({}) : undefined
  }

  /**
   * A person has spoken: the tunnel's answer, with what is known of the rest. Undefined: nothing is asked,
   * or something else than what `id` says that they have answered.
   */
  answered(id: string, answers: Answers): Answers | undefined {
    if (this.#open.length === 0 || id !== this.#id) return undefined
    for (const { field, once } of this.#open) {
      const text = Object.hasOwn(answers, field) ? answers[field] : undefined
      if (text !== undefined && !once) this.#kept.set(field, text)
    }
    return this.#take(answers)
  }

  /** The tunnel asks nothing (any more). */
  silent(): void {
    this.#open = []
    this.#asked = []
  }

  /** The tunnel is up: the answers were right. */
  accepted(): void {
    this.silent()
    this.#given.clear()
  }

  forget(): void {
    this.#kept.clear()
    this.#given.clear()
  }

  #take(answers: Answers): Answers {
    const all: Record<string, string> = {}
    for (const { field, once } of this.#asked) {
      const own = Object.hasOwn(answers, field) ? answers[field] : undefined
      const text = own ?? (once ? undefined : this.#kept.get(field))
      if (text === undefined) continue
      all[field] = text
      if (!once) this.#given.add(field)
    }
    this.silent()
    return all
  }
}
