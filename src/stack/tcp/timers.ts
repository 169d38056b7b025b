/**
 * Deadlines of all connections in one binary heap: no timer of the runtime per connection. A deadline
 * that moves away, as each ACK moves one, costs nothing: the entry keeps its early place and is
 * put back when it comes up.
 */
import type { Millis } from '../../core/types.js'

export interface Timed {
  /** Place in the heap, -1: none. Kept by the heap. */
  heapIndex: number
  /** The time it is filed under: at or before its true deadline. Kept by the heap. */
  heapKey: Millis
}

export class DeadlineHeap<T extends Timed> {
  readonly #items: T[] = []

  /** Earliest time filed; Infinity when empty. */
  get earliest(): Millis {
    const first = this.#items[0]
    return first === undefined ? Number.POSITIVE_INFINITY : first.heapKey
  }

  get size(): number {
    return this.#items.length
  }

  /** Makes sure that `item` comes up at or before `deadline`; Infinity: nothing to do. */
  wantBy(item: T, deadline: Millis): void {
    if (deadline === Number.POSITIVE_INFINITY) return
    if (item.heapIndex < 0) {
      item.heapKey = deadline
      item.heapIndex = this.#items.length
      this.#items.push(item)
      this.#up(item)
    } else if (deadline < item.heapKey) {
      item.heapKey = deadline
      this.#up(item)
    }
  }

  /** Takes out the first item when it is filed at or before `now`. */
  take(now: Millis): T | undefined {
    const first = this.#items[0]
    if (first === undefined || first.heapKey > now) return undefined
    this.remove(first)
    return first
  }

  remove(item: T): void {
    const at = item.heapIndex
    if (at < 0) return
    item.heapIndex = -1
    const last = this.#items.pop() as T
    if (last === item) return
    this.#items[at] = last
    last.heapIndex = at
    this.#up(last)
    this.#down(last)
  }

  #up(item: T): void {
    const items = this.#items
    let at = item.heapIndex
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = items[parentAt] as T
      if (parent.heapKey <= item.heapKey) break
      items[at] = parent
      parent.heapIndex = at
      at = parentAt
    }
    items[at] = item
    item.heapIndex = at
  }

  #down(item: T): void {
    const items = this.#items
    let at = item.heapIndex
    for (;;) {
      let childAt = 2 * at + 1
      if (childAt >= items.length) break
      let child = items[childAt] as T
      const right = items[childAt + 1]
      if (right !== undefined && right.heapKey < child.heapKey) {
        child = right
        childAt++
      }
      if (child.heapKey >= item.heapKey) break
      items[at] = child
      child.heapIndex = at
      at = childAt
    }
    items[at] = item
    item.heapIndex = at
  }
}
