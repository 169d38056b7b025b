/**
 * Answers ICMP echo requests (IPv4) on a TUN device that it makes: `node tun-echo.js NAME`. Prints
 * `ready`; ends, with what it has seen, when its standard input closes.
 */
import { set16, u8 } from '../../src/core/bytes.js'
import type { PacketBatch } from '../../src/core/packet-batch.js'
import { openTun } from '../../src/io/tun.js'
import { checksum } from '../../src/wire/checksum.js'

const ICMP = 1
const ECHO_REQUEST = 8
const HEADER = 20

const tun = openTun({ name: process.argv[2] ?? '', packetSize: 1500 })
let packets = 0
let failure = ''
const errors: string[] = []
tun.onError = (error) => {
  errors.push(error.message)
  tun.close()
}
tun.onBatch = (batch) => {
  for (let i = 0; i < batch.count; i++) answer(batch, i)
  if (tun.send(batch, 0) !== batch.count) failure = 'not all taken'
}

function answer(batch: PacketBatch, i: number): void {
  const { bytes } = batch
  const at = batch.offset[i] as number
  const length = batch.length[i] as number
  const icmp = at + HEADER
  const isEcho =
    u8(bytes, at) === 0x45 && u8(bytes, at + 9) === ICMP && u8(bytes, icmp) === ECHO_REQUEST
  if (!isEcho) {
    batch.length[i] = 0
    return
  }
  packets++
  const source = bytes.slice(at + 12, at + 16)
  bytes.copyWithin(at + 12, at + 16, at + 20)
  bytes.set(source, at + 16)
  bytes[icmp] = 0
  set16(bytes, icmp + 2, 0)
  set16(bytes, icmp + 2, checksum(bytes, icmp, length - HEADER))
}

process.stdin.resume()
process.stdin.on('end', () => {
  tun.close()
  console.log(JSON.stringify({ packets, failure, errors }))
})
console.log('ready')
