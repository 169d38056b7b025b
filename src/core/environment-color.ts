/** A colour for each environment, the same wherever it is shown: dashboard, browser windows. */

/** Far enough apart to be told at a glance; white text on each has a contrast of at least 4.5:1. */
export const ENVIRONMENT_COLORS = [
  '#0a7a46', // green
  '#a3137a', // magenta
  '#6b4fc9', // violet
  '#0a7280', // teal
  '#7d6400', // ochre
  '#c01f3a', // red
  '#b3470a', // orange: "site" of the examples
  '#0b5cc4', // blue: "office"
  '#4d5a68', // slate
  '#7a4a33', // brown
] as const

/**
 * The colour of `name` as `#rrggbb`. It comes from the name, so that it stays when others come and go;
 * where two of `among` (every environment's name) would have the same, the later one of the alphabet
 * takes the next that is free.
 */
export function environmentColor(name: string, among: readonly string[] = []): string {
  const taken = new Set<number>()
  for (const one of [...new Set([...among, name])].sort()) {
    let at = hash(one) % ENVIRONMENT_COLORS.length
    for (let tries = 0; taken.has(at) && tries < ENVIRONMENT_COLORS.length; tries++) {
      at = (at + 1) % ENVIRONMENT_COLORS.length
    }
    if (one === name) return ENVIRONMENT_COLORS[at] ?? ENVIRONMENT_COLORS[0]
    taken.add(at)
  }
  return ENVIRONMENT_COLORS[0]
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  }
  return value >>> 0
}
