/** Words of a stranger, made fit for a line of ours. */

/** Everything that moves a cursor, splits a line, turns the direction of writing or is not seen; halves of surrogate pairs too. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]+/gu

/** One line of at most `most` characters without control and invisible characters. */
export function plainText(text: string, most: number): string {
  // Cut first: what is looked at is bounded, whatever came.
  const line = text
    .slice(0, most * 8)
    .replace(UNSEEN, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  return [...line].slice(0, most).join('')
}
