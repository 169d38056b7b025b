import t from 'tap'
import { ENVIRONMENT_COLORS, environmentColor } from '../../src/core/environment-color.js'

/** WCAG 2: relative luminance. */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

t.test('white text can be read on each', async (t) => {
  for (const color of ENVIRONMENT_COLORS) {
    const contrast = 1.05 / (luminance(color) + 0.05)
    t.ok(contrast >= 4.5, `${color}: ${contrast.toFixed(2)}`)
  }
})

t.test('a name keeps its colour, and as many names as colours have each their own', async (t) => {
  t.equal(environmentColor('office'), environmentColor('office', ['office']))
  t.not(environmentColor('office'), environmentColor('site'), 'those of every example')
  const names = ENVIRONMENT_COLORS.map((_, i) => `net-${i}`)
  t.equal(new Set(names.map((name) => environmentColor(name, names))).size, names.length)
  const more = Array.from({ length: 40 }, (_, i) => `net-${i}`)
  for (const name of more) t.match(environmentColor(name, more), /^#[0-9a-f]{6}$/)
  t.equal(environmentColor('b', ['a', 'b']), environmentColor('b', ['b', 'a']))
})
