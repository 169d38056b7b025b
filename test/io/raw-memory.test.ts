import t from 'tap'
import { PIECE_LEAST, PIECE_MOST, pieceSize } from '../../src/core/allocator.js'
import { RawMemory } from '../../src/io/raw-memory.js'

t.test('sizes of pieces', async (t) => {
  t.same([1, PIECE_LEAST - 1, PIECE_MOST + 1].map(pieceSize), [1, PIECE_LEAST - 1, PIECE_MOST + 1])
  t.same([PIECE_LEAST, 2049, 65_536, 65_537, PIECE_MOST].map(pieceSize), [
    2048,
    4096,
    65_536,
    131_072,
    PIECE_MOST,
  ])
})

t.test('what was freed is what comes next, once', async (t) => {
  const memory = new RawMemory()
  const first = memory.allocate(65_536)
  memory.free(first.subarray(100, 40_000))
  t.equal(memory.kept, 65_536)
  memory.free(first)
  t.equal(memory.kept, 65_536, 'said twice')
  t.not(memory.allocate(32_768).buffer, first.buffer)
  t.equal(memory.allocate(65_536), first)
  t.not(memory.allocate(65_536), first)
  t.equal(memory.kept, 0)
  memory.free(first)
  t.equal(memory.allocate(65_536), first, 'and again')
})

t.test('what was lent is used again when the last byte of it was released', async (t) => {
  const memory = new RawMemory()
  const piece = memory.allocate(65_536)
  memory.release(piece.subarray(0, 60_000))
  t.equal(memory.kept, 0, 'nobody has lent it')
  const lent = piece.subarray(0, 60_000)
  memory.lend(lent)
  memory.release(lent.subarray(0, 20_000))
  memory.release(lent.subarray(20_000, 40_000))
  t.equal(memory.kept, 0)
  memory.release(lent.subarray(40_000))
  t.equal(memory.kept, 65_536)
  memory.release(lent)
  memory.lend(lent)
  t.equal(memory.kept, 65_536, 'nobody has it any more')
  t.equal(memory.allocate(65_536), piece)
  memory.release(lent)
  t.equal(memory.kept, 0, 'nor has anybody lent it since')
})

t.test("others' memory, small, large and odd sizes are left to be collected", async (t) => {
  const memory = new RawMemory()
  const others = [
    new Uint8Array(65_536),
    Buffer.alloc(65_536),
    memory.allocate(10),
    memory.allocate(3000),
    memory.allocate(2 * PIECE_MOST),
  ]
  t.same(
    others.map((bytes) => bytes.length),
    [65_536, 65_536, 10, 3000, 2 * PIECE_MOST],
  )
  for (const bytes of others) {
    memory.lend(bytes)
    memory.release(bytes)
    memory.free(bytes)
  }
  t.equal(memory.kept, 0)
})

t.test('no more is kept than the bound, and nothing once it was told to forget', async (t) => {
  const memory = new RawMemory(200_000)
  const pieces = Array.from({ length: 4 }, () => memory.allocate(65_536))
  for (const piece of pieces) memory.free(piece)
  t.equal(memory.kept, 3 * 65_536)
  memory.forget()
  t.equal(memory.kept, 0)
  t.notOk(pieces.includes(memory.allocate(65_536)))
})
