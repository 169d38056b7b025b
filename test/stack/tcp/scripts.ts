/** Runs a table of packet scripts as tests. */
import t from 'tap'
import { Script } from './script.js'

/** Three-way handshake by our user's call, peers' options as given. */
export const open = (options = 'mss 1000', window = 60_000, trip = 0): string => `
  ! connect
  > S 0
  + ${trip}
  < SA 0 ack 1 win ${window} <${options}>
  > A 1 ack 1
  * connect
`

export const accept = (options = 'mss 1000', window = 60_000): string => `
  ! listen
  < S 0 win ${window} <${options}>
  > SA 0 ack 1
  < A 1 ack 1 win ${window}
  * connection
`

export function scripts(table: Readonly<Record<string, string>>): void {
  for (const [name, script] of Object.entries(table)) {
    t.test(name, async (t) => {
      const s = new Script()
      t.same(s.run(script), [])
      t.equal(s.wrong, 0, 'the bytes read are those sent')
    })
  }
}
