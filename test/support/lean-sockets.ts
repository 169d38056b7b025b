/** Both implementations of LeanSocket, for the tests that hold them to one behaviour. */
import type { ListenAddress } from '../../src/core/options.js'
import type { LeanSocket } from '../../src/io/lean-socket.js'
import { type BoundListener, listenLean } from '../../src/io/listen.js'
import { accel, accelProblem } from '../../src/native/accel.js'
import { type Cleaner, RawClient } from './proxy.js'

const native = accel()?.streams

export interface LeanImplementation {
  readonly name: string
  readonly skip: string | false
  readonly listen: (
    listen: ListenAddress,
    onSocket: (socket: LeanSocket) => void,
  ) => Promise<BoundListener>
}

export const LEAN_IMPLEMENTATIONS: readonly LeanImplementation[] = [
  { name: 'node:net', skip: false, listen: (listen, run) => listenLean(listen, run, null) },
  {
    name: 'addon',
    skip: native === undefined ? (accelProblem() ?? 'switched off by PVPN_ACCEL') : false,
    listen: (listen, run) => listenLean(listen, run, native),
  },
]

export const LOOPBACK: ListenAddress = { kind: 'tcp', address: '127.0.0.1', port: 0 }

/** A client, and the accepted end of its connection. */
export async function leanPair(
  t: Cleaner,
  { listen }: LeanImplementation,
): Promise<{ readonly client: RawClient; readonly socket: LeanSocket }> {
  let accepted: (socket: LeanSocket) => void = () => {}
  const accepting = new Promise<LeanSocket>((resolve) => {
    accepted = resolve
  })
  const bound = await listen(LOOPBACK, (socket) => accepted(socket))
  const client = await RawClient.open(bound.address.kind === 'tcp' ? bound.address.port : 0)
  const socket = await accepting
  t.teardown(() => {
    bound.close()
    client.close()
    socket.destroy()
  })
  return { client, socket }
}
