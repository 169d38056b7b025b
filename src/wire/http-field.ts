/** One field line of HTTP/1 (RFC 9112 section 5). */

/**
 * Name and value of a line without its end; blanks around the value are not part of it. Undefined:
 * no field. In a time that grows with the line alone: a pattern that looks for blanks at the end
 * takes the square of their number.
 */
export function parseHttpField(line: string): readonly [name: string, value: string] | undefined {
  const colon = line.indexOf(':')
  if (colon < 1) return undefined
  const name = line.slice(0, colon)
  if (!/^[!-9;-~]+$/.test(name)) return undefined
  let [from, to] = [colon + 1, line.length]
  while (from < to && isBlank(line.charCodeAt(from))) from++
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--
  const value = line.slice(from, to)
  return /[\r\n]/.test(value) ? undefined : [name, value]
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
