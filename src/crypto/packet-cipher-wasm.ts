/** ChaCha20-Poly1305 over batches by a WebAssembly module: the fastest twin that needs no addon. */
import { set64le } from '../core/bytes.js'
import type { PacketBatch } from '../core/packet-batch.js'
import { type PacketCipher, TAG_SIZE } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'
import { chacha20Poly1305Module, KEY_AT, NONCE_AT, PACKET_AT } from './chacha20-poly1305-wasm.js'
import { checkCounter, checkKey, checkSlots, isCounter } from './packet-cipher-checks.js'

/** Bytes of a page of memory. */
const PAGE = 65_536
/** Bytes that the module may change behind a packet and its tag. */
const SLACK = 32

interface Exports {
  seal(length: number): void
  open(length: number): number
  mac(length: number): void
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
}

/** What we use of the global; Node's types do not have it, and a Node without compilers lacks it. */
interface WasmGlobal {
  readonly WebAssembly?: {
    readonly Module: new (bytes: Bytes) => object
    readonly Instance: new (module: object) => { readonly exports: object }
  }
}

/** One module for all ciphers of the process: a key stays in its memory for one call only. */
export class WasmChaCha {
  readonly exports: Exports
  memory: Bytes

  constructor(exports: Exports) {
    this.exports = exports
    this.memory = new Uint8Array(exports.memory.buffer)
  }

  /** Makes room for a packet of `length` bytes and its tag. */
  reserve(length: number): void {
    const missing = PACKET_AT + length + TAG_SIZE + SLACK - this.memory.length
    if (missing <= 0) return
    this.exports.memory.grow(Math.ceil(missing / PAGE))
    this.memory = new Uint8Array(this.exports.memory.buffer)
  }
}

let instance: WasmChaCha | null | undefined

/** The module's instance, or null where WebAssembly or its vectors are missing. */
export function wasmChaCha(): WasmChaCha | null {
  instance ??= instantiate()
  return instance
}

function instantiate(): WasmChaCha | null {
  const { WebAssembly } = globalThis as WasmGlobal
  if (WebAssembly === undefined) return null
  try {
    const module = new WebAssembly.Module(chacha20Poly1305Module())
    return new WasmChaCha(new WebAssembly.Instance(module).exports as Exports)
  } catch {
    // A processor without 128-bit vectors.
    return null
  }
}

export class WasmPacketCipher implements PacketCipher {
  readonly #wasm: WasmChaCha
  readonly #key: Bytes
  #destroyed = false

  constructor(wasm: WasmChaCha, key: Bytes) {
    checkKey(key)
    this.#wasm = wasm
    this.#key = Uint8Array.from(key)
  }

  seal(batch: PacketBatch, from: number, to: number, counter: number): void {
    checkSlots(batch, from, to, batch.capacity, this.#destroyed)
    checkCounter(counter, to - from)
    const wasm = this.#wasm
    wasm.memory.set(this.#key, KEY_AT)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      if (at < 0 || at + length + TAG_SIZE > batch.bytes.length) {
        batch.length[i] = -1
        continue
      }
      this.#load(batch.bytes, at, length, length, counter + (i - from))
      wasm.exports.seal(length)
      batch.bytes.set(wasm.memory.subarray(PACKET_AT, PACKET_AT + length + TAG_SIZE), at)
      batch.length[i] = length + TAG_SIZE
    }
    wasm.memory.fill(0, 0, PACKET_AT)
  }

  open(batch: PacketBatch, from: number, to: number, counters: Float64Array): void {
    checkSlots(batch, from, to, Math.min(batch.capacity, counters.length), this.#destroyed)
    this.#wasm.memory.set(this.#key, KEY_AT)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      batch.length[i] = this.#openOne(
        batch.bytes,
        batch.offset[i] as number,
        length,
        counters[i] as number,
      )
    }
    this.#wasm.memory.fill(0, 0, PACKET_AT)
  }

  destroy(): void {
    this.#key.fill(0)
    this.#destroyed = true
  }

  #openOne(bytes: Bytes, at: number, length: number, counter: number): number {
    const plain = length - TAG_SIZE
    if (plain < 0 || at < 0 || at + length > bytes.length || !isCounter(counter)) return -1
    this.#load(bytes, at, length, plain, counter)
    const wasm = this.#wasm
    if (wasm.exports.open(plain) !== 1) return -1
    bytes.set(wasm.memory.subarray(PACKET_AT, PACKET_AT + plain), at)
    return plain
  }

  #load(bytes: Bytes, at: number, length: number, packet: number, counter: number): void {
    const wasm = this.#wasm
    wasm.reserve(packet)
    wasm.memory.set(bytes.subarray(at, at + length), PACKET_AT)
    set64le(wasm.memory, NONCE_AT + 4, counter)
  }
}
