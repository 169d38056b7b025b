/** An environment that does what a test tells it; what is not told is ERR_UNSUPPORTED. */
import type { Environment } from '../../src/core/environment.js'
import { PvpnError } from '../../src/core/errors.js'

export function fakeEnvironment(methods: Partial<Environment>): Environment {
  const unsupported = () => Promise.reject(new PvpnError('ERR_UNSUPPORTED', 'not in this test'))
  return {
    name: 'lab',
    state: 'up',
    dial: unsupported,
    lookup: unsupported,
    reverse: unsupported,
    exchange: unsupported,
    bindUdp: unsupported,
    listenTcp: unsupported,
    ...methods,
  }
}
