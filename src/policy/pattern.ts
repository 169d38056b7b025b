/** Patterns of rules: `*` stands for any characters, everything else for itself. */

export type Matcher = (text: string) => boolean

/** Matches whole texts. Linear in pattern and text (no regular expression that could backtrack). */
export function wildcard(pattern: string): Matcher {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return (text) => text === pattern
  return (text) => {
    if (text.length < head.length + tail.length) return false
    if (!text.startsWith(head) || !text.endsWith(tail)) return false
    const end = text.length - tail.length
    let at = head.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

/** `office.example` is that name, `.office.example` every name below it, and either may hold `*`. Lower case, no dot at the end. */
export function domainMatcher(pattern: string): Matcher {
  return wildcard(pattern.startsWith('.') ? `*${pattern}` : pattern)
}

/**
 * With a slash: the executable's path; without: the last part of it. `resolved` is what the path leads
 * to (links followed), when it is another one: processes show that.
 */
export function programMatcher(pattern: string, resolved?: string): Matcher {
  const matches = wildcard(pattern)
  if (pattern.includes('/')) return (path) => matches(path) || path === resolved
  return (path) => matches(path.slice(path.lastIndexOf('/') + 1))
}
