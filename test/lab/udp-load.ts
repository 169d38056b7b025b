/**
 * Sends or receives numbered datagrams over a `DatagramSocket`, for lab tests that run it in namespaces.
 *
 *   node udp-load.js receive PORT COUNT SIZE  prints `ready`, then a JSON report
 *   node udp-load.js send HOST PORT COUNT SIZE
 */
import { set32, u32 } from '../../src/core/bytes.js'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { openUdp } from '../../src/io/udp-socket.js'

/** Without a datagram for this long (in ms) nothing more is expected. */
const SILENCE = 5000
const PACKET = 2048

export interface ReceiveReport {
  readonly packets: number
  /** Datagrams that came after one of a higher number. */
  readonly late: number
  /** Datagrams whose bytes are not what was sent. */
  readonly broken: number
  readonly batches: number
}

export interface SendReport {
  /** How often the kernel was full. */
  readonly waits: number
}

function fill(bytes: Uint8Array, at: number, length: number, n: number): void {
  bytes.fill(n & 255, at, at + length)
  set32(bytes, at, n)
}

function isWhole(bytes: Uint8Array, at: number, length: number, size: number, n: number): boolean {
  if (length !== size) return false
  for (let k = at + 4; k < at + length; k++) if (bytes[k] !== (n & 255)) return false
  return true
}

async function receive(port: number, count: number, size: number): Promise<void> {
  const socket = await openUdp({ family: 'dual', port, packetSize: PACKET })
  let [packets, late, broken, batches, last] = [0, 0, 0, 0, -1]
  const report = (): void => {
    console.log(JSON.stringify({ packets, late, broken, batches } satisfies ReceiveReport))
    process.exit(0)
  }
  let timer = setTimeout(report, 10 * SILENCE)
  socket.onBatch = (batch) => {
    batches++
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offset[i] as number
      const n = u32(batch.bytes, at)
      packets++
      if (n < last) late++
      last = n
      if (!isWhole(batch.bytes, at, batch.length[i] as number, size, n)) broken++
    }
    clearTimeout(timer)
    timer = setTimeout(report, packets < count ? SILENCE : 50)
  }
  console.log('ready')
}

async function send(host: string, port: number, count: number, size: number): Promise<void> {
  const socket = await openUdp({ family: 'dual', packetSize: PACKET })
  const to = parseSocketAddress({ address: host, port })
  if (to === undefined) throw new Error(`not an address: ${host}`)
  const batch = new PacketBatch({ capacity: 128, packetSize: PACKET })
  for (let i = 0; i < batch.capacity; i++) batch.address.set(to, i * ADDRESS_SIZE)
  let waits = 0
  for (let n = 0; n < count; ) {
    batch.reset()
    for (; n < count && !batch.full; n++) {
      fill(batch.bytes, batch.place(), size, n)
      batch.commit(size)
    }
    for (let from = socket.send(batch, 0); from < batch.count; from = socket.send(batch, from)) {
      waits++
      await new Promise<void>((resolve) => {
        socket.onWritable = resolve
      })
    }
  }
  console.log(JSON.stringify({ waits } satisfies SendReport))
  // What the plain socket still holds goes out first.
  setTimeout(() => socket.close(), SILENCE / 4)
}

const [role, ...rest] = process.argv.slice(2)
const numbers = rest.map(Number)
if (role === 'receive') await receive(numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0)
else await send(rest[0] ?? '', numbers[1] ?? 0, numbers[2] ?? 0, numbers[3] ?? 0)
