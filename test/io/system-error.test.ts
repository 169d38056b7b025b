import { connect } from 'node:net'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { fromSystemError } from '../../src/io/system-error.js'
import { freePort } from '../support/free-port.js'

const system = (code: string) => Object.assign(new Error(`${code} happened`), { code })

t.test('codes of the system have their own of ours', async (t) => {
  const codes: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'ERR_REFUSED',
    ECONNRESET: 'ERR_RESET',
    EPIPE: 'ERR_RESET',
    EHOSTUNREACH: 'ERR_HOST_UNREACHABLE',
    ENETUNREACH: 'ERR_NET_UNREACHABLE',
    EADDRNOTAVAIL: 'ERR_NET_UNREACHABLE',
    ETIMEDOUT: 'ERR_TIMEOUT',
    ENOTFOUND: 'ERR_NAME',
    EAI_AGAIN: 'ERR_RESOLVER',
    EMFILE: 'ERR_LIMIT',
    EACCES: 'ERR_DENIED',
    EWHATEVER: 'ERR_INTERNAL',
  }
  for (const [code, ours] of Object.entries(codes)) {
    const thrown = system(code)
    const error = fromSystemError(thrown, 'here')
    t.equal(error.code, ours, code)
    t.equal(error.message, `here: ${code} happened`)
    t.equal(error.cause, thrown)
  }
})

t.test(
  'what is one of ours stays; of several attempts the last counts; anything may be thrown',
  async (t) => {
    const own = new PvpnError('ERR_DOWN', 'down')
    t.equal(fromSystemError(own, 'here'), own)
    const several = new AggregateError([system('ENETUNREACH'), system('ECONNREFUSED')], 'all')
    t.equal(fromSystemError(several, 'here').code, 'ERR_REFUSED')
    t.equal(fromSystemError(new AggregateError([], 'none'), 'here').code, 'ERR_INTERNAL')
    for (const odd of ['text', undefined, null, 7, {}]) {
      t.equal(fromSystemError(odd, 'here').code, 'ERR_INTERNAL', String(odd))
    }
  },
)

t.test('a real refusal', async (t) => {
  const port = await freePort()
  const error = await new Promise<Error>((resolve) => {
    connect({ host: '127.0.0.1', port }).on('error', resolve)
  })
  t.equal(fromSystemError(error, 'here').code, 'ERR_REFUSED')
})
