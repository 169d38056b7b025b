import fc from 'fast-check'
import t from 'tap'
import { DatagramSplitter, frameDatagram } from '../../src/wire/framed-datagrams.js'
import { fuzzRun, pieces } from '../support/fuzz.js'

t.test('datagrams come out of a stream as they went in, whatever the cuts', async (t) => {
  const datagrams = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  fc.assert(
    fc.property(datagrams, fc.array(fc.nat(), { maxLength: 8 }), (sent, cuts) => {
      const bytes = Uint8Array.from(Buffer.concat(sent.map(frameDatagram)))
      const single = [...bytes].map((byte) => Uint8Array.of(byte))
      return [[bytes], pieces(bytes, cuts), single].every((chunks) => {
        const splitter = new DatagramSplitter()
        const got: string[] = []
        for (const chunk of chunks) {
          splitter.push(chunk, (d) => got.push(Buffer.from(d).toString('hex')))
        }
        return got.join() === sent.map((d) => Buffer.from(d).toString('hex')).join()
      })
    }),
    fuzzRun,
  )
  t.pass('no counterexample')
})
