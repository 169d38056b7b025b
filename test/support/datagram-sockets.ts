/** The implementations of DatagramSocket, for the tests that hold them to one behaviour. */
import type { DatagramSocket } from '../../src/core/datagram-socket.js'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { formatSocketAddress, parseSocketAddress } from '../../src/core/socket-address.js'
import type { Bytes } from '../../src/core/types.js'
import { openUdp, type UdpOptions } from '../../src/io/udp-socket.js'
import { bindDgram } from '../../src/io/udp-socket-dgram.js'
import { accel, accelProblem } from '../../src/native/accel.js'

const native = accel()?.udp

export const UDP_IMPLEMENTATIONS: readonly {
  readonly name: string
  readonly skip: string | false
  readonly open: (options: UdpOptions) => Promise<DatagramSocket>
}[] = [
  { name: 'node:dgram', skip: false, open: (options) => openUdp(options, null) },
  {
    name: 'addon',
    skip: native === undefined ? (accelProblem() ?? 'switched off by PVPN_ACCEL') : false,
    open: (options) => openUdp(options, native ?? null),
  },
  {
    name: 'node:dgram by its public ways alone',
    skip: false,
    open: (options) => bindDgram(options, options.family === 4 ? 4 : 6, () => undefined),
  },
]

export interface Datagram {
  readonly to: string
  readonly port: number
  readonly bytes: Bytes
}

/** A batch of these datagrams, each in a slot of its own. */
export function batchOf(datagrams: readonly Datagram[], packetSize = 2048): PacketBatch {
  const batch = new PacketBatch({ capacity: Math.max(datagrams.length, 1), packetSize })
  for (const { to, port, bytes } of datagrams) {
    const record = parseSocketAddress({ address: to, port })
    if (record === undefined) throw new Error(`not an address: ${to}`)
    batch.address.set(record, batch.count * ADDRESS_SIZE)
    if (!batch.push(bytes)) throw new Error('too large')
  }
  return batch
}

/** Sends all, waiting for room when the kernel has none. */
export async function sendAll(socket: DatagramSocket, batch: PacketBatch): Promise<void> {
  let from = 0
  while (from < batch.count) {
    from = socket.send(batch, from)
    if (from < batch.count) {
      await new Promise<void>((resolve) => {
        socket.onWritable = resolve
      })
    }
  }
}

/** Keeps what a socket receives, and lets a test wait for it. */
export class Inbox {
  readonly got: { readonly from: string; readonly bytes: Bytes }[] = []
  batches = 0
  largest = 0
  #wake = (): void => {}

  constructor(socket: DatagramSocket) {
    socket.onBatch = (batch) => {
      this.batches++
      this.largest = Math.max(this.largest, batch.count)
      for (let i = 0; i < batch.count; i++) {
        const from = formatSocketAddress(batch.address, i * ADDRESS_SIZE)
        this.got.push({ from, bytes: batch.view(i).slice() })
      }
      this.#wake()
    }
  }

  /** Until this many have arrived; false after the time (in ms) has passed. */
  async until(count: number, ms = 5000): Promise<boolean> {
    const deadline = performance.now() + ms
    while (this.got.length < count && performance.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - performance.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.got.length >= count
  }
}
