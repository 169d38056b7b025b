/** Patterns of names as OpenSSH has them: `*` and `?`, lists by commas, `!` for "not" (ssh_config(5), PATTERNS). */

/** Does the whole text fit the pattern? Linear in both, whatever the pattern. */
export function matchesWildcard(text: string, pattern: string): boolean {
  let [at, p, star, retry] = [0, 0, -1, 0]
  while (at < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++
      retry = at
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[at])) {
      at++
      p++
    } else if (star >= 0) {
      p = star + 1
      at = ++retry
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/** Does one of the patterns fit, and none of the negated ones? */
export function matchesPatterns(text: string, patterns: readonly string[]): boolean {
  let found = false
  for (const pattern of patterns) {
    if (pattern.startsWith('!')) {
      if (matchesWildcard(text, pattern.slice(1))) return false
    } else if (!found) {
      found = matchesWildcard(text, pattern)
    }
  }
  return found
}
