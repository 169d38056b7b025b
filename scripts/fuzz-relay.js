/**
 * native/relay under AddressSanitizer and UBSan: what openconnect may give it as variables, descriptor
 * and socket, made up. Each run must end by itself, and what it hands over must be whole entries.
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** As in native/relay: bytes of all that is handed over. */
const MOST = 65_536
/** Milliseconds for one run. */
const RUN_MOST = 20_000
const WANTED = /^(INTERNAL_IP|CISCO_DEF_DOMAIN=|CISCO_SPLIT_|CISCO_IPV6_SPLIT_|VPNGATEWAY=)/
const NAMES = [
  ...['INTERNAL_IP4_ADDRESS', 'INTERNAL_IP', 'CISCO_SPLIT_INC_0_ADDR', 'CISCO_IPV6_SPLIT_INC'],
  ...['CISCO_DEF_DOMAIN', 'CISCO_DEF_DOMAINS', 'VPNGATEWAY', 'VPNGATEWAYS', 'CISCO_BANNER'],
]
/** The relay ends openconnect with its own end; the shell stands for it, and lives on. */
const PARENT = 'trap "" INT; "$0" "$1"; exit $?'

/** True when every run was right. `program`: the relay with sanitizers; `folder`: of ours. */
export async function fuzzRelay(program, folder, seconds) {
  const until = Date.now() + seconds * 1000
  const seed = Date.now() % 1e9
  const random = numbers(seed)
  let runs = 0
  for (; runs < 3 || Date.now() < until; runs++) {
    const problem = await run(program, join(folder, `${runs}`), variables(random, runs), random)
    if (problem === undefined) continue
    console.log(`relay: run ${runs} of seed ${seed}: ${problem}`)
    return false
  }
  console.log(`relay: ${runs} runs, seed ${seed}`)
  return true
}

function numbers(seed) {
  let state = seed
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
}

/** The second run has more than there is room for. */
function variables(random, runs) {
  const found = {}
  const count = runs === 1 ? 60 : random(60)
  for (let i = 0; i < count; i++) {
    const name = NAMES[random(NAMES.length)] + (random(2) === 0 ? '' : `_${i}`)
    const size = random(8) === 0 || runs === 1 ? random(9000) : random(40)
    found[name] = String.fromCharCode(33 + random(90), 200 + random(3000)).repeat(size)
  }
  return found
}

async function run(program, path, given, random) {
  const odd = random(8)
  const fd = odd === 0 ? ['', 'x', '-1', '2', '99999999999999999999', '70000'][random(6)] : '3'
  const to = odd === 1 ? `${path}${'x'.repeat(random(200))}` : path
  let text = Buffer.alloc(0)
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      text = Buffer.concat([text, data])
      // The end: it is let go.
      if (text.equals(Buffer.alloc(1)) || text.subarray(-2).equals(Buffer.alloc(2))) socket.end()
      if (text.length > MOST) socket.destroy()
    })
  })
  await new Promise((resolve) => server.listen(path, resolve))
  const child = spawn('/bin/sh', ['-c', PARENT, program, to], {
    env: { ...given, VPNFD: fd, ASAN_OPTIONS: 'detect_leaks=0:exitcode=77' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    timeout: RUN_MOST,
    killSignal: 'SIGKILL',
  })
  let words = ''
  child.stderr.on('data', (data) => {
    words = (words + data).slice(-4000)
  })
  const [status, signal] = await new Promise((resolve) => {
    child.on('close', (...how) => resolve(how))
  })
  server.close()
  if (signal !== null || (status !== 0 && status !== 2)) return `${signal ?? status} ${words}`
  if (words !== '') return words
  return wrong(text, given, fd === '3' && to === path)
}

/** What is wrong with what was handed over? */
function wrong(text, given, reached) {
  if (!reached) return text.length === 0 || text.length <= MOST ? undefined : 'too long'
  if (text.length === 0 || text.length > MOST || text.at(-1) !== 0) return `${text.length} bytes`
  const entries = text.toString().split('\0').filter(Boolean)
  const known = new Set(Object.entries(given).map(([name, value]) => `${name}=${value}`))
  const strange = entries.find((entry) => !known.has(entry) || !WANTED.test(entry))
  if (strange !== undefined) return `it hands over ${JSON.stringify(strange.slice(0, 100))}`
  const wanted = [...known].filter((entry) => WANTED.test(entry))
  const size = wanted.reduce((sum, entry) => sum + Buffer.byteLength(entry) + 1, 1)
  return size <= MOST && entries.length < wanted.length ? 'it leaves something out' : undefined
}
