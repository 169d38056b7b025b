/** Writes one segment of a connection, IP header included, into the batch. The one place where a checksum is made, or left open. */
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Bytes } from '../../core/types.js'
import { PROTOCOL_TCP } from '../../wire/ip.js'
import { IPV4_DONT_FRAGMENT, IPV4_HEADER, IPV4_SOURCE, writeIpv4 } from '../../wire/ipv4.js'
import { IPV6_HEADER, IPV6_SOURCE, writeIpv6 } from '../../wire/ipv6.js'
import { openTcp, sealTcp, TCP_CHECKSUM } from '../../wire/tcp.js'
import type { IpLayer } from '../tcp-contract.js'

/** Bytes of the IP header in front of a segment to or from this address. */
export function ipHeaderLength(address: Bytes): number {
  return address.length === 4 ? IPV4_HEADER : IPV6_HEADER
}

/** Puts the IP header in front of the segment of `length` bytes that was written behind it in the batch's open slot, seals the checksum and commits. */
export function commitSegment(
  batch: PacketBatch,
  ip: IpLayer,
  local: Bytes,
  remote: Bytes,
  length: number,
): void {
  const at = batch.place()
  const { bytes } = batch
  if (local.length === 4) {
    const total = IPV4_HEADER + length
    // Path MTU discovery needs DF (RFC 1191).
    writeIpv4(
      bytes,
      at,
      local,
      remote,
      PROTOCOL_TCP,
      total,
      ip.identification(),
      IPV4_DONT_FRAGMENT,
    )
    checksum(batch, ip, at, IPV4_SOURCE, 4, IPV4_HEADER, length)
    batch.commit(total)
  } else {
    writeIpv6(bytes, at, local, remote, PROTOCOL_TCP, length)
    checksum(batch, ip, at, IPV6_SOURCE, 16, IPV6_HEADER, length)
    batch.commit(IPV6_HEADER + length)
  }
}

function checksum(
  batch: PacketBatch,
  ip: IpLayer,
  at: number,
  addresses: number,
  size: number,
  header: number,
  length: number,
): void {
  const { bytes, count } = batch
  if (ip.checksums?.leave(count, header, header + TCP_CHECKSUM, header + length) === true) {
    openTcp(bytes, at + addresses, size, at + header, length)
  } else sealTcp(bytes, at + addresses, size, at + header, length)
}
