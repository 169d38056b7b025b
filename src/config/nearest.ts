/** "Did you mean": the known word nearest to what was written. */

/** Longest word that is compared, in UTF-16 units: bounds the work for hostile input. */
const LONGEST = 64

/** Edits (insert, delete, replace, swap neighbours) between two short words. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + same,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] as number) + 1)
      }
      row.push(best)
    }
    before = above
    above = row
  }
  return above[b.length] as number
}

/** The nearest known word, when it is near enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined
  const lower = word.toLowerCase()
  let best: { readonly word: string; readonly edits: number } | undefined
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > 3 || candidate.length > LONGEST) continue
    const edits = distance(lower, candidate.toLowerCase())
    const most = Math.min(3, Math.floor(Math.max(lower.length, candidate.length) / 3) || 1)
    if (edits <= most && (best === undefined || edits < best.edits))
      best = { word: candidate, edits }
  }
  return best?.word
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known)
  return near === undefined ? '' : `; did you mean "${near}"?`
}
