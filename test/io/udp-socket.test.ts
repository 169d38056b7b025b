import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import type { DatagramSocket } from '../../src/core/datagram-socket.js'
import { EMPTY_DATAGRAM } from '../../src/core/packet-batch.js'
import { RECEIVE_SLOTS_SHORT } from '../../src/io/limits.js'
import { openUdp } from '../../src/io/udp-socket.js'
import {
  batchOf,
  type Datagram,
  Inbox,
  sendAll,
  UDP_IMPLEMENTATIONS,
} from '../support/datagram-sockets.js'

const LOOPBACK = '127.0.0.1'

function payload(i: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, k) => (i * 37 + k * 11 + (k >> 8)) & 255)
}

function numbers(count: number, length: (i: number) => number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => payload(i, length(i)))
}

for (const { name, skip, open } of UDP_IMPLEMENTATIONS) {
  t.test(`UDP socket by ${name}`, { skip }, (t) => {
    const opened: DatagramSocket[] = []
    const socket = async (options: Partial<Parameters<typeof open>[0]> = {}) => {
      const made = await open({ family: 4, address: LOOPBACK, packetSize: 2048, ...options })
      opened.push(made)
      return made
    }
    t.afterEach(() => {
      for (const s of opened.splice(0)) s.close()
    })

    t.test('carries datagrams with their source, content and order', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      // Runs of one size, shorter ends, longer ones behind shorter: all that segmentation looks at.
      const sizes = [100, 100, 100, 40, 100, 1, 2, 1472, 1472, 1472, 7, 7, 7, 7, 2048, 3]
      const sent = numbers(200, (i) => sizes[i % sizes.length] ?? 1)
      await sendAll(a, batchOf(sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes }))))
      t.ok(await inbox.until(sent.length), `all of ${sent.length}`)
      t.strictSame(
        inbox.got.map(({ bytes }) => bytes),
        sent,
      )
      t.ok(inbox.got.every(({ from }) => from === `${LOOPBACK}:${a.localPort}`))
      t.ok(inbox.batches < 200, 'in batches')
    })

    t.test('sends one batch to many addresses', async (t) => {
      const a = await socket()
      const targets = [await socket(), await socket(), await socket()]
      const inboxes = targets.map((s) => new Inbox(s))
      const sent = numbers(90, () => 60).map((bytes, i): Datagram => {
        return { to: LOOPBACK, port: targets[(i >> 1) % 3]?.localPort ?? 0, bytes }
      })
      await sendAll(a, batchOf(sent))
      for (const [i, inbox] of inboxes.entries()) {
        t.ok(await inbox.until(30))
        t.strictSame(
          inbox.got.map(({ bytes }) => bytes),
          sent.filter(({ port }) => port === targets[i]?.localPort).map(({ bytes }) => bytes),
        )
      }
    })

    t.test('delivers a burst larger than a batch whole', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      const sent = numbers(1000, (i) => (i % 64 === 63 ? 20 : 24))
      const datagrams = sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes }))
      await sendAll(a, batchOf(datagrams, 64))
      t.ok(await inbox.until(sent.length), `${inbox.got.length} of ${sent.length}`)
      t.strictSame(Buffer.concat(inbox.got.map(({ bytes }) => bytes)), Buffer.concat(sent))
      t.ok(inbox.largest > 1)
    })

    t.test('hands over fewer at once when something waits behind them', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      const burst = async (count: number) => {
        const sent = numbers(count, () => 24)
        const datagrams = sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes }))
        const before = inbox.got.length
        await sendAll(a, batchOf(datagrams, 64))
        t.ok(await inbox.until(before + count))
        t.strictSame(
          Buffer.concat(inbox.got.slice(before).map(({ bytes }) => bytes)),
          Buffer.concat(sent),
        )
      }
      await burst(600)
      const long = inbox.largest
      b.short = true
      for (let n = 0; n < 3; n++) {
        inbox.largest = 0
        await burst(600)
        t.ok(inbox.largest <= RECEIVE_SLOTS_SHORT, `${inbox.largest} at once`)
      }
      b.short = false
      await burst(600)
      t.ok(inbox.largest >= Math.min(long, RECEIVE_SLOTS_SHORT), `${inbox.largest} again`)
    })

    t.test('skips dropped slots, sends empty datagrams, and begins where it is told', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      const sent = numbers(8, () => 50)
      const batch = batchOf(sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes })))
      batch.length[3] = 0
      batch.length[4] = -2
      batch.length[5] = EMPTY_DATAGRAM
      t.equal(a.send(batch, 2), 8)
      t.equal(a.send(batch, 8), 8, 'nothing left')
      t.ok(await inbox.until(4))
      t.strictSame(
        inbox.got.map(({ bytes }) => bytes),
        [sent[2], new Uint8Array(0), sent[6], sent[7]],
      )
    })

    t.test('does not need the bytes after the call', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      const sent = numbers(64, () => 1000)
      const batch = batchOf(sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes })))
      await sendAll(a, batch)
      batch.bytes.fill(0)
      batch.address.fill(0)
      t.ok(await inbox.until(64))
      t.strictSame(
        inbox.got.map(({ bytes }) => bytes),
        sent,
      )
    })

    t.test('drops what is longer than packetSize, and what it can not send', async (t) => {
      const [a, b] = [await socket({ packetSize: 2000 }), await socket({ packetSize: 100 })]
      const inbox = new Inbox(b)
      const to = { to: LOOPBACK, port: b.localPort }
      const batch = batchOf([
        { ...to, bytes: payload(0, 100) },
        { ...to, bytes: payload(1, 101) },
        { to: '::1', port: b.localPort, bytes: payload(2, 10) },
        { ...to, bytes: payload(3, 10) },
        { ...to, bytes: payload(4, 10) },
        { ...to, bytes: payload(5, 10) },
        { to: '255.255.255.255', port: b.localPort, bytes: payload(6, 10) },
        { ...to, bytes: payload(7, 11) },
      ])
      batch.address[3 * 24] = 0
      batch.offset[4] = batch.bytes.length - 9
      batch.offset[5] = -1
      t.equal(a.send(batch, 0), 8)
      t.ok(await inbox.until(2))
      await inbox.until(3, 50)
      t.strictSame(
        inbox.got.map(({ bytes }) => bytes),
        [payload(0, 100), payload(7, 11)],
      )
    })

    t.test('lives on after nobody was there to receive', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const errors: Error[] = []
      a.onError = (error) => errors.push(error)
      const gone = await socket()
      const { localPort } = gone
      gone.close()
      const inbox = new Inbox(b)
      for (let n = 0; n < 5; n++) {
        a.send(batchOf([{ to: LOOPBACK, port: localPort, bytes: payload(0, 10) }]), 0)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      a.send(batchOf([{ to: LOOPBACK, port: b.localPort, bytes: payload(1, 10) }]), 0)
      t.ok(await inbox.until(1))
      t.strictSame(errors, [])
    })

    t.test('dual: IPv4 and IPv6 on one port, IPv4 shown as IPv4', async (t) => {
      const dual = await open({ family: 'dual', packetSize: 2048 })
      opened.push(dual)
      const inbox = new Inbox(dual)
      const four = await socket()
      const six = await socket({ family: 6, address: '::1' })
      const [fromFour, fromSix] = [new Inbox(four), new Inbox(six)]
      four.send(batchOf([{ to: LOOPBACK, port: dual.localPort, bytes: payload(4, 9) }]), 0)
      t.ok(await inbox.until(1))
      six.send(batchOf([{ to: '::1', port: dual.localPort, bytes: payload(6, 9) }]), 0)
      t.ok(await inbox.until(2))
      t.strictSame(
        inbox.got.map(({ from }) => from),
        [`${LOOPBACK}:${four.localPort}`, `[::1]:${six.localPort}`],
      )
      const back = [
        { to: LOOPBACK, port: four.localPort, bytes: payload(1, 30) },
        { to: '::1', port: six.localPort, bytes: payload(2, 30) },
      ]
      await sendAll(dual, batchOf(back))
      t.ok((await fromFour.until(1)) && (await fromSix.until(1)))
      t.equal(fromFour.got[0]?.from, `${LOOPBACK}:${dual.localPort}`)
      t.equal(fromSix.got[0]?.from, `[::1]:${dual.localPort}`)
    })

    t.test('IPv6 alone leaves the port to IPv4', async (t) => {
      const six = await open({ family: 6, packetSize: 2048 })
      opened.push(six)
      const four = await open({ family: 4, port: six.localPort, packetSize: 2048 })
      opened.push(four)
      t.equal(four.localPort, six.localPort)
    })

    t.test('rejects with the code of the system when it can not bind', async (t) => {
      const a = await socket()
      await t.rejects(socket({ port: a.localPort }), { code: 'EADDRINUSE' })
      await t.rejects(socket({ address: '192.0.2.1' }), { code: 'EADDRNOTAVAIL' })
      await t.rejects(socket({ address: 'localhost' }))
    })

    t.test('close frees the port, is idempotent, and nothing comes after it', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const inbox = new Inbox(b)
      const bytes = payload(0, 10)
      const batch = batchOf([{ to: LOOPBACK, port: b.localPort, bytes }])
      a.send(batch, 0)
      b.close()
      b.close()
      t.equal(b.send(batch, 0), 1, 'a closed socket takes and forgets')
      t.notOk(await inbox.until(1, 50))
      const again = await socket({ port: b.localPort })
      t.equal(again.localPort, b.localPort)
    })

    t.test('says that something has come before it hands it over', async (t) => {
      const [a, b] = [await socket(), await socket()]
      const story: string[] = []
      b.onArrival = () => story.push('arrival')
      const delivered = new Promise<void>((resolve) => {
        b.onBatch = () => {
          story.push('batch')
          resolve()
        }
      })
      a.send(batchOf([{ to: LOOPBACK, port: b.localPort, bytes: payload(0, 10) }]), 0)
      await delivered
      t.same(story, ['arrival', 'batch'])
    })

    t.test('may be closed while it delivers', async (t) => {
      const [a, b] = [await socket(), await socket()]
      let batches = 0
      b.onBatch = () => {
        batches++
        b.close()
      }
      const sent = numbers(600, () => 20)
      await sendAll(
        a,
        batchOf(
          sent.map((bytes) => ({ to: LOOPBACK, port: b.localPort, bytes })),
          64,
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 50))
      t.equal(batches, 1)
    })

    t.test('talks to a socket of node:dgram', async (t) => {
      const a = await socket()
      const other = createSocket('udp4')
      other.bind(0, LOOPBACK)
      await once(other, 'listening')
      const { port } = other.address()
      const inbox = new Inbox(a)
      const heard = once(other, 'message')
      a.send(batchOf([{ to: LOOPBACK, port, bytes: payload(9, 700) }]), 0)
      const [bytes] = (await heard) as [Buffer]
      t.strictSame(Uint8Array.from(bytes), payload(9, 700))
      other.send(payload(8, 800), a.localPort, LOOPBACK)
      t.ok(await inbox.until(1))
      t.strictSame(inbox.got[0]?.bytes, payload(8, 800))
      other.close()
    })
    t.end()
  })
}

t.test('the chosen socket opens', async (t) => {
  const socket = await openUdp({ family: 'dual', packetSize: 1500 })
  t.ok(socket.localPort > 0)
  socket.close()
})
