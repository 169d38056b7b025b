/**
 * What `native/accel` exports. Handles are opaque; a wrong one, a closed one, or an index that leaves
 * its array throws. Slots are those of a `PacketBatch`: `bytes`, `offset`, `length`.
 */
import type { Bytes } from '../core/types.js'

declare const kind: unique symbol
export interface Handle<K extends string> {
  readonly [kind]: K
}

/** `algorithm` of `cipherNew`: ChaCha20-Poly1305 with WireGuard's nonce, by OpenSSL's primitives where this Node exports them. */
export const CHACHA20_POLY1305 = 0
/** The same by OpenSSL's public interface alone. */
export const CHACHA20_POLY1305_PUBLIC = 1

/** Batches sealed and opened by the OpenSSL inside Node; the semantics are `PacketCipher`'s. */
export interface AccelCipher {
  cipherNew(algorithm: number, key: Bytes): Handle<'cipher'>
  cipherSeal(
    cipher: Handle<'cipher'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    counter: number,
  ): void
  cipherOpen(
    cipher: Handle<'cipher'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    counters: Float64Array,
  ): void
  /** Forgets the key now, not when the handle is collected. */
  cipherFree(cipher: Handle<'cipher'>): void
}

/** `algorithm` of `framedNew`. */
export const FRAMED_ALGORITHMS = {
  'aes-128-gcm': 0,
  'aes-192-gcm': 1,
  'aes-256-gcm': 2,
  'chacha20-poly1305': 3,
} as const

/** Batches in OpenVPN's framing; the semantics are `FramedAead`'s. */
export interface AccelFramed {
  /** `implicit`: the 8 bytes of the nonce behind the packet id. A handle seals or opens, never both. */
  framedNew(algorithm: number, key: Bytes, implicit: Bytes, sealing: boolean): Handle<'framed'>
  framedSeal(
    framed: Handle<'framed'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    header: Bytes,
    packetId: number,
  ): number
  framedOpen(
    framed: Handle<'framed'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    headerSize: number,
    packetIds: Float64Array,
  ): void
  /** Forgets the key now, not when the handle is collected. */
  framedFree(framed: Handle<'framed'>): void
}

/** Checksums of batches; the semantics are `PacketChecksums`'. Slots `from` … `to`-1. */
export interface AccelChecksums {
  /** `least`: shorter packets get -1. */
  checksumSum(
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    least: number,
    out: Int32Array,
  ): void
  checksumComplete(
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    open: Int32Array,
  ): void
}

/** Bits of the events that a watched descriptor's callback gets; a negative number is an errno instead. */
export const READABLE = 1
export const WRITABLE = 2

/** What `udpInfo` fills in, by index. */
export const UDP_INFO = {
  port: 0,
  /** Bytes that the kernel holds for each direction, its own overhead included. */
  receiveBuffer: 1,
  sendBuffer: 2,
  /** 1: the kernel hands over neighbouring datagrams as one (UDP_GRO), or takes them so (UDP_SEGMENT). */
  gro: 3,
  gso: 4,
  /** Datagrams lost in the addon: too long, of unknown family, refused by the kernel. */
  dropped: 5,
} as const

/** UDP by recvmmsg and sendmmsg. Addresses are records of core/socket-address. */
export interface AccelUdp {
  /** Binds to `address`; the callback gets READABLE and WRITABLE events until `udpClose`. Throws an Error with the errno's name as `code`. */
  udpOpen(
    address: Bytes,
    only6: boolean,
    receiveBuffer: number,
    sendBuffer: number,
    callback: (events: number) => void,
  ): Handle<'udp'>
  udpInfo(socket: Handle<'udp'>, out: Float64Array): void
  /**
   * Fills slots with datagrams and returns how many, or a negative errno. Each message of the kernel
   * goes to a region of `region` bytes; one put together from several datagrams fills several slots in
   * one region. What found no slot is delivered by the next call, from the same bytes; the kernel is
   * asked only when nothing is left and `fresh` is set.
   */
  udpReceive(
    socket: Handle<'udp'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    address: Bytes,
    region: number,
    packetSize: number,
    fresh: boolean,
  ): number
  /** Sends slots `from` … `to`-1, returns the first not taken (WRITABLE follows), or a negative errno. */
  udpSend(
    socket: Handle<'udp'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    address: Bytes,
    from: number,
    to: number,
  ): number
  /** Bytes that wait to be received, the kernel's overhead included; 0 when it does not tell. Undefined: an addon of an older build. */
  udpWaiting?(socket: Handle<'udp'>): number
  /**
   * READABLE is not told for so many microseconds, then once, be there anything or not; 0: at once
   * again. False: there is no such timer here. Undefined: an addon of an older build.
   */
  udpRest?(socket: Handle<'udp'>, microseconds: number): boolean
  udpClose(socket: Handle<'udp'>): void
}

/** TUN devices, one IP packet a read or write. */
export interface AccelTun {
  /** Attaches to the device, made when there is none (needs CAP_NET_ADMIN). Throws as `udpOpen` does. */
  tunOpen(name: string, callback: (events: number) => void): Handle<'tun'>
  /** A device that another process has made: takes the descriptor over. Throws ENODEV (and leaves it open) when it is none. */
  tunAdopt(fd: number, callback: (events: number) => void): Handle<'tun'>
  /** Reads up to `to` - `from` packets of at most `packetSize` bytes to the slots' offsets; the number read, or a negative errno. */
  tunRead(
    tun: Handle<'tun'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
    packetSize: number,
  ): number
  /** Writes slots `from` … `to`-1; returns the first not taken (WRITABLE follows), or a negative errno. */
  tunWrite(
    tun: Handle<'tun'>,
    bytes: Bytes,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    to: number,
  ): number
  tunClose(tun: Handle<'tun'>): void
}

/** Unix sockets on which descriptors come (SCM_RIGHTS). */
export interface AccelChannel {
  /** Reads from the socket, which stays its owner's for writing. Throws as `udpOpen` does. */
  channelOpen(fd: number, callback: (events: number) => void): Handle<'channel'>
  /** One message: its bytes, 0 at the end, or a negative errno. Its descriptors, then -1, fill `descriptors`. */
  channelRead(channel: Handle<'channel'>, bytes: Bytes, descriptors: Int32Array): number
  /** One message, without waiting: its bytes, or a negative errno. Undefined: an addon of an older build. */
  channelSend?(channel: Handle<'channel'>, bytes: Bytes): number
  channelClose(channel: Handle<'channel'>): void
  descriptorClose(fd: number): void
}

/** Further bits of a hub's events: one read does not bring all (the end comes, or urgent data), and an error waits. */
export const MORE = 4
export const FAILED = 8

/**
 * Listening sockets and connections in one epoll set. Each is a number, its slot; a slot that was given
 * back is not used again before the next `hubWait`. Events are edges: what is readable is told once,
 * until it was read to the end or `hubRearm` asks again. Results below 0 are negative errnos.
 */
export interface AccelStreams {
  /** The callback gets READABLE when `hubWait` has something to tell, or a negative errno, until `hubClose`. Throws as `udpOpen` does. */
  hubOpen(callback: (events: number) => void): Handle<'hub'>
  /** Closes all that is in it, too. */
  hubClose(hub: Handle<'hub'>): void
  /** Binds a TCP port to a record of core/socket-address, and listens: the slot. Throws as `udpOpen` does. */
  hubListen(hub: Handle<'hub'>, address: Bytes, backlog: number): number
  hubListenUnix(hub: Handle<'hub'>, path: string, backlog: number): number
  /** Slot and bits of what happened, two integers each: how many. */
  hubWait(hub: Handle<'hub'>, out: Int32Array): number
  /** Slots of clients accepted, and their addresses (zeros: a Unix socket's): how many. */
  hubAccept(hub: Handle<'hub'>, slot: number, out: Int32Array, addresses: Bytes): number
  /** The record of the socket's own end. */
  hubName(hub: Handle<'hub'>, slot: number, address: Bytes): number
  /** Bytes read, 0 at the end. */
  hubRead(hub: Handle<'hub'>, slot: number, bytes: Bytes): number
  /** Bytes that the kernel took. WRITABLE follows when it was not all. */
  hubWrite(hub: Handle<'hub'>, slot: number, bytes: Bytes): number
  /** The connection's error, which is cleared; 0: none. */
  hubError(hub: Handle<'hub'>, slot: number): number
  /** What is ready now is told with the next wait. */
  hubRearm(hub: Handle<'hub'>, slot: number): void
  /** Ends our direction. */
  hubShutdown(hub: Handle<'hub'>, slot: number): number
  /** Closes a connection or listener; a connection with a reset, where asked for. */
  hubDrop(hub: Handle<'hub'>, slot: number, reset: boolean): void
  /** Takes a connection out: its descriptor is the caller's. */
  hubTake(hub: Handle<'hub'>, slot: number): number
  /** A connection's descriptor, which stays the hub's. */
  hubDescriptor(hub: Handle<'hub'>, slot: number): number
}

/** Who has the other end of a connection on this host. Results are 0 or a negative errno. */
export interface AccelOwner {
  /** User and inode of the TCP socket with these ends (4 or 16 bytes each): `out` is [uid, inode]. */
  socketOwner(
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    out: Float64Array,
  ): number
  /** Who connected to this Unix socket (SO_PEERCRED): `out` is [pid, uid, gid]. */
  peerCredentials(fd: number, out: Float64Array): number
  /** The process's descriptor of the socket with this inode, or a negative errno. */
  socketDescriptor(pid: number, inode: number): number
}

/** Gives memory back to the system. */
export interface AccelMemory {
  /**
   * Collects all garbage and returns what malloc keeps for later; tens of milliseconds in which nothing
   * else runs. False: this Node can't be asked to collect.
   */
  releaseMemory(): boolean
  /**
   * Of memory that is freed up to `most` bytes stay with the process until `releaseMemory`. False: this C
   * library can't be asked to. Undefined: an addon of an older build.
   */
  keepMemory?(most: number): boolean
  /** The whole pages inside go, and read as zeros from then on. */
  releasePages(bytes: Bytes): void
}

/** What this Node can carry; the twins do the rest. */
export interface Accel {
  /** Adds the 16-bit words of a region to `sum` (RFC 1071) and folds; not complemented. */
  checksum(bytes: Bytes, at: number, length: number, sum: number): number
  /** True: this process and those it starts from now on leave no core files. Undefined: an addon of an older build. */
  readonly noCoreFiles: (() => boolean) | undefined
  /** Undefined: an addon of an older build. */
  readonly checksums: AccelChecksums | undefined
  /** Undefined: an addon of an older build. */
  readonly memory: AccelMemory | undefined
  readonly cipher: AccelCipher | undefined
  /** Undefined: an addon of an older build. */
  readonly framed: AccelFramed | undefined
  readonly udp: AccelUdp | undefined
  readonly tun: AccelTun | undefined
  /** Undefined: an addon of an older build. */
  readonly streams: AccelStreams | undefined
  /** Undefined: an addon of an older build. */
  readonly channel: AccelChannel | undefined
  /** Undefined: an addon of an older build. */
  readonly owner: AccelOwner | undefined
}
