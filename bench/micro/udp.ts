/**
 * UDP over loopback by both implementations of `DatagramSocket`: a sender and a receiver in two
 * processes, each on its own core, so that the figures are what one core sends or receives.
 *
 *   node build/bench/micro/udp.js [accel|dgram|both] [SIZE] [SECONDS]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { openUdp } from '../../src/io/udp-socket.js'

const BATCH = 64
const [kind = 'both', size = '1452', seconds = '2'] = process.argv.slice(2)

interface Report {
  readonly packets: number
  readonly cpu: number
  readonly seconds: number
}

if (process.send !== undefined) {
  await (kind === 'send' ? sender(Number(process.env.BENCH_PORT)) : receiver())
} else {
  for (const way of ['accel', 'dgram']) {
    if (kind === way || kind === 'both') await pair(way)
  }
}

/** Microseconds of CPU since `from`. */
function cpuSince(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from)
  return user + system
}

async function receiver(): Promise<void> {
  const socket = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 2048 })
  let packets = 0
  let batches = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  socket.onBatch = (batch) => {
    packets += batch.count
    batches++
  }
  process.on('message', () => {
    const report = {
      packets,
      batches,
      cpu: cpuSince(cpu),
      seconds: (performance.now() - start) / 1e3,
    }
    process.send?.(report, () => process.exit(0))
  })
  process.send?.({ port: socket.localPort })
}

async function sender(port: number): Promise<void> {
  const socket = await openUdp({ family: 4, packetSize: 2048 })
  const batch = new PacketBatch({ capacity: BATCH, packetSize: 2048 })
  const to = parseSocketAddress({ address: '127.0.0.1', port }) ?? new Uint8Array(ADDRESS_SIZE)
  for (let i = 0; i < BATCH; i++) {
    batch.address.set(to, i * ADDRESS_SIZE)
    batch.place()
    batch.commit(Number(size))
  }
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + Number(seconds) * 1e3
  let packets = 0
  let unsent = 0
  const run = (): void => {
    for (let n = 0; n < 16; n++) {
      const from = unsent
      unsent = socket.send(batch, from)
      packets += unsent - from
      if (unsent < batch.count) return
      unsent = 0
    }
    if (performance.now() < end) setImmediate(run)
    else {
      const report = { packets, cpu: cpuSince(cpu), seconds: (performance.now() - start) / 1e3 }
      process.send?.(report, () => process.exit(0))
    }
  }
  socket.onWritable = () => setImmediate(run)
  run()
}

function start(way: string, role: string, env: NodeJS.ProcessEnv) {
  return fork(fileURLToPath(import.meta.url), [role, size, seconds], {
    env: { ...process.env, ...env, ...(way === 'dgram' && { PVPN_ACCEL: 'off' }) },
  })
}

async function pair(way: string): Promise<void> {
  const receiving = start(way, 'receive', {})
  const [{ port }] = (await once(receiving, 'message')) as [{ port: number }]
  const sending = start(way, 'send', { BENCH_PORT: String(port) })
  const [sent] = (await once(sending, 'message')) as [Report]
  await new Promise((resolve) => setTimeout(resolve, 200))
  receiving.send('report')
  const [received] = (await once(receiving, 'message')) as [Report & { batches: number }]
  const line = (role: string, r: Report): string =>
    `${way} ${role}: ${Math.round(r.packets / r.seconds / 1e3)} k packets/s, ${(r.cpu / r.packets).toFixed(2)} us of CPU each`
  console.log(line('send', sent))
  console.log(
    `${line('receive', received)}, ${(received.packets / received.batches).toFixed(1)} a batch, ` +
      `${((100 * (sent.packets - received.packets)) / sent.packets).toFixed(1)} % lost`,
  )
}
