import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { accel, accelProblem } from '../../src/native/accel.js'
import { checksumAdd, checksumFold } from '../../src/wire/checksum.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const MODULE = join(HERE, '../../src/native/accel.js')
const UDP = join(HERE, '../../src/io/udp-socket.js')
const skip = accel() === undefined ? (accelProblem() ?? 'switched off by PVPN_ACCEL') : false

/** What a Node process of its own prints for a module's text. */
function run(text: string, env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 20_000,
  })
}

const ASK = `import { accel, accelProblem } from ${JSON.stringify(MODULE)}
console.log(JSON.stringify([accel() !== undefined, accelProblem() ?? null]))`

t.test('PVPN_ACCEL=off uses the twins, and that is no problem', (t) => {
  t.strictSame(JSON.parse(run(ASK, { PVPN_ACCEL: 'off' }).stdout), [false, null])
  t.end()
})

t.test('an addon that is missing or broken is told in one line', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-accel-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const broken = join(folder, 'broken.node')
  writeFileSync(broken, 'no library')
  for (const file of [broken, join(folder, 'missing.node')]) {
    const [loaded, problem] = JSON.parse(run(ASK, { PVPN_ACCEL: file }).stdout)
    t.equal(loaded, false)
    t.match(problem, /^native addon not (built|loaded)/)
    t.notMatch(problem, /\n/)
  }
  t.end()
})

t.test('core files are kept off, of children too', { skip }, (t) => {
  const text = `import { suppressCoreFiles } from ${JSON.stringify(MODULE)}
    import { execFileSync } from 'node:child_process'
    const limits = () => execFileSync('grep', ['core', '/proc/self/limits'], { encoding: 'utf8' })
    console.log(JSON.stringify([limits(), suppressCoreFiles(), limits()]))`
  // A limit to take away, where we may have one.
  const shell = 'ulimit -S -c unlimited; exec "$0" --input-type=module -e "$1"'
  const { stdout } = spawnSync('sh', ['-c', shell, process.execPath, text], { encoding: 'utf8' })
  const [before, done, after] = JSON.parse(stdout) as [string, boolean, string]
  t.comment(before)
  t.equal(done, true)
  t.match(after, /^Max core file size +0 /)
  t.end()
})

t.test('checksum agrees with the plain one', { skip }, (t) => {
  const native = accel()
  if (native === undefined) throw new Error('no addon')
  const bytes = Uint8Array.from({ length: 4099 }, (_, i) => (i * 73 + (i >> 3)) & 255)
  for (let n = 0; n < 2000; n++) {
    const at = (n * 31) % 64
    const length = n < 200 ? n : (n * 977) % (bytes.length - at)
    const sum = n % 3 === 0 ? 0 : n * 65_537
    const folded = native.checksum(bytes, at, length, sum)
    const plain = checksumFold(checksumAdd(sum, bytes, at, length))
    if ((~folded & 0xffff) !== plain) t.equal(~folded & 0xffff, plain, `${length} at ${at}`)
  }
  t.equal(native.checksum(new Uint8Array(0), 0, 0, 0), 0)
  t.equal(native.checksum(new Uint8Array(9000).fill(255), 0, 9000, 0), 0xffff)
  t.equal(native.checksum(new Uint8Array(2_000_000).fill(255), 0, 2_000_000, 0), 0xffff)
  t.throws(() => native.checksum(bytes, 4000, 100, 0))
  t.throws(() => native.checksum(bytes, -1, 1, 0))
  t.end()
})

t.test('an exception in a socket callback is uncaught, not lost', { skip }, (t) => {
  const { stdout } = run(`import { openUdp } from ${JSON.stringify(UDP)}
    process.on('uncaughtException', (e) => { console.log(e.message); process.exit(3) })
    const s = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 100 })
    s.onBatch = () => { throw new Error('from onBatch') }
    const { createSocket } = await import('node:dgram')
    createSocket('udp4').send('x', s.localPort, '127.0.0.1')`)
  t.equal(stdout.trim(), 'from onBatch')
  t.end()
})

t.test('an open socket keeps the process, a closed one does not', { skip }, (t) => {
  const open = `import { openUdp } from ${JSON.stringify(UDP)}
    const s = await openUdp({ family: 'dual', packetSize: 100 })`
  const { status, stdout } = run(`${open}
    setTimeout(() => { console.log('closing'); s.close() }, 50).unref()`)
  t.equal(status, 0)
  t.equal(stdout.trim(), 'closing')
  t.equal(run(`${open}; process.exit(7)`).status, 7, 'exit with an open socket')
  t.end()
})

t.test('a worker with open sockets may end in any way', { skip }, (t) => {
  const worker = `const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(UDP)}).then(async ({ openUdp }) => {
      const a = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 100 })
      const b = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 100 })
      b.close()
      parentPort.postMessage(a.localPort)
    })`
  const { status, stdout } = run(`import { Worker } from 'node:worker_threads'
    for (let n = 0; n < 3; n++) {
      const w = new Worker(${JSON.stringify(worker)}, { eval: true, execArgv: [] })
      await new Promise((resolve) => w.once('message', resolve))
      await w.terminate()
    }
    const { openUdp } = await import(${JSON.stringify(UDP)})
    const s = await openUdp({ family: 4, packetSize: 100 })
    s.close()
    console.log('alive')`)
  t.equal(stdout.trim(), 'alive')
  t.equal(status, 0)
  t.end()
})

// AddressSanitizer keeps freed memory for a while, to find uses of it.
const keepsMemory = process.env.LD_PRELOAD !== undefined && 'memory is not given back here'

t.test('handles that nobody closed are collected', { skip: skip || keepsMemory }, (t) => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      '--expose-gc',
      '--input-type=module',
      '-e',
      `import { accel } from ${JSON.stringify(MODULE)}
      const { cipher } = accel()
      for (let n = 0; n < 20000; n++) cipher.cipherNew(0, new Uint8Array(32))
      gc(); await new Promise((r) => setTimeout(r, 20)); gc()
      const before = process.memoryUsage.rss()
      for (let k = 0; k < 5; k++) {
        for (let n = 0; n < 20000; n++) cipher.cipherNew(0, new Uint8Array(32))
        gc(); await new Promise((r) => setTimeout(r, 20))
      }
      console.log(process.memoryUsage.rss() - before < 40e6)`,
    ],
    { encoding: 'utf8', timeout: 30_000 },
  )
  t.equal(status, 0)
  t.equal(stdout.trim(), 'true')
  t.end()
})

t.test('freed memory is kept on request, and given back', { skip }, (t) => {
  // Pages that come from the kernel while 16 MiB are taken and freed again and again.
  const churn = (keep: boolean) => `import { accel } from ${JSON.stringify(MODULE)}
    const memory = accel().memory
    const kept = ${keep} && memory.keepMemory(67_108_864)
    const round = () => {
      for (let i = 0; i < 64; i++) Buffer.allocUnsafeSlow(262_144).fill(1)
      gc()
    }
    round()
    const before = process.resourceUsage().minorPageFault
    for (let i = 0; i < 20; i++) round()
    const faults = process.resourceUsage().minorPageFault - before
    const held = process.memoryUsage.rss()
    memory.releaseMemory()
    console.log(JSON.stringify({ kept, faults, given: held - process.memoryUsage.rss() }))`
  const [kept, plain] = [true, false].map((keep) => {
    const { stdout } = spawnSync(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', churn(keep)],
      { encoding: 'utf8', timeout: 60_000 },
    )
    return JSON.parse(stdout)
  })
  if (!kept.kept) t.comment('this C library keeps nothing on request')
  else t.ok(kept.faults < plain.faults / 2, `${kept.faults} faults instead of ${plain.faults}`)
  if (kept.kept) t.ok(kept.given > 4_000_000, `${kept.given} bytes were given back`)
  t.end()
})
