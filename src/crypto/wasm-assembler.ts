/**
 * Just enough of WebAssembly's binary format to write a module in TypeScript: code is nested calls that
 * return bytes, in the order of the stack machine. Opcodes: WebAssembly Core Specification 2.0, chapter 5.
 */

export type Code = readonly number[]

export const I32 = 0x7f
export const I64 = 0x7e
export const V128 = 0x7b

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  out.push(rest)
  return out
}

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 127n)
    rest >>= 7n
    const sign = (low & 64) !== 0
    if ((rest === 0n && !sign) || (rest === -1n && sign)) return [...out, low]
    out.push(low | 128)
  }
}

const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)]
const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode]
const unary =
  (...opcode: number[]) =>
  (a: Code): Code => [...a, ...opcode]
/** Loads and stores promise no alignment (0) and take a constant offset. */
const load =
  (...opcode: number[]) =>
  (at: Code, offset = 0): Code => [...at, ...opcode, 0, ...unsigned(offset)]
const store =
  (...opcode: number[]) =>
  (at: Code, value: Code, offset = 0): Code => [...at, ...value, ...opcode, 0, ...unsigned(offset)]

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)]
export const call = (index: number, ...args: Code[]): Code => [...args.flat(), 0x10, index]
export const seq = (...parts: Code[]): Code => parts.flat()

/** Runs `body` again as long as `condition` (an i32, looked at after each turn) is not 0. */
export const doWhile = (body: Code, condition: Code): Code => [
  ...[0x03, 0x40],
  ...body,
  ...condition,
  ...[0x0d, 0x00, 0x0b],
]
export const when = (condition: Code, body: Code): Code => [
  ...condition,
  ...[0x04, 0x40],
  ...body,
  0x0b,
]

export const i32 = {
  of: (value: number): Code => [0x41, ...signed(BigInt(value | 0))],
  load: load(0x28),
  add: binary(0x6a),
  sub: binary(0x6b),
  and: binary(0x71),
  equal: binary(0x46),
  greater: binary(0x4a),
}

export const i64 = {
  of: (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))],
  load: load(0x29),
  store: store(0x37),
  fromI32: unary(0xad),
  isZero: unary(0x50),
  below: binary(0x54),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shl: binary(0x86),
  shr: binary(0x88),
}

export const v128 = {
  of: (bytes: Code): Code => [...simd(12), ...bytes],
  load: load(...simd(0)),
  /** One 32-bit word in all four lanes. */
  load32Splat: load(...simd(9)),
  store: store(...simd(11)),
  or: binary(...simd(80)),
  xor: binary(...simd(81)),
}

export const i32x4 = {
  splat: unary(...simd(17)),
  add: binary(...simd(174)),
  shl: binary(...simd(171)),
  shr: binary(...simd(173)),
}

/** Bytes of `a` (0 … 15) and `b` (16 … 31) by number. */
export const shuffle = (a: Code, b: Code, lanes: Code): Code => [...a, ...b, ...simd(13), ...lanes]

export interface WasmFunction {
  readonly params: readonly number[]
  readonly results: readonly number[]
  /** Types of the locals behind the parameters. */
  readonly locals: readonly number[]
  readonly body: Code
  readonly name?: string
}

/** A module of these functions (index by place), with one exported memory of `pages` of 64 KiB. */
export function moduleOf(
  functions: readonly WasmFunction[],
  pages: number,
): Uint8Array<ArrayBuffer> {
  const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
  const section = (id: number, body: Code): Code => [id, ...unsigned(body.length), ...body]
  const text = (name: string): Code => [...unsigned(name.length), ...Buffer.from(name, 'latin1')]
  const types = functions.map(
    ({ params, results }): Code => [
      0x60,
      ...vector(params.map((p) => [p])),
      ...vector(results.map((r) => [r])),
    ],
  )
  const exports = functions.flatMap(({ name }, i): Code[] =>
    name === undefined ? [] : [[...text(name), 0, i]],
  )
  const bodies = functions.map(({ locals, body }): Code => {
    const code = [...vector(locals.map((type) => [1, type])), ...body, 0x0b]
    return [...unsigned(code.length), ...code]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(5, vector([[0, ...unsigned(pages)]])),
    ...section(7, vector([...exports, [...text('memory'), 2, 0]])),
    ...section(10, vector(bodies)),
  ])
}
