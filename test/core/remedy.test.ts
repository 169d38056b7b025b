/** What to do about an environment: the tunnel's own words, else general ones, which fit every tunnel. */
import t from 'tap'
import { ERROR_CODES } from '../../src/core/errors.js'
import { remedy } from '../../src/core/remedy.js'

/** What a program's own connection meets, never the tunnel. */
const NOT_OF_TUNNELS = new Set(['ERR_ABORTED', 'ERR_RESET', 'ERR_UNSUPPORTED'])

t.test('by code: a sentence that names no kind of tunnel', async (t) => {
  for (const code of ERROR_CODES.filter((code) => !NOT_OF_TUNNELS.has(code))) {
    const text = remedy({ code, message: 'x' }, 'office')
    t.ok(text, code)
    t.notMatch(text, /WireGuard|OpenVPN|SSH|UDP|\bENV\b/, code)
  }
})

t.test("the tunnel's own words go first, with the environment's name", async (t) => {
  const error = { code: 'ERR_TIMEOUT', message: 'x', hint: 'try: pvpn restart ENV' } as const
  t.equal(remedy(error, 'office'), 'try: pvpn restart office')
})
