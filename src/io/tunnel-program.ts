/**
 * Runs the installed openconnect as a child without privileges. Its script is native/relay, which hands
 * over the descriptor of the packets by a socket in a folder of ours. Needs the addon.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DatagramSocket } from '../core/datagram-socket.js'
import { PacketBatch } from '../core/packet-batch.js'
import type { ProgramHandlers, TunnelProgram } from '../core/tunnel-program.js'
import { accel } from '../native/accel.js'
import { closeDescriptor, DescriptorChannel } from './descriptor-channel.js'
import { PROGRAM_END, PROGRAM_OUTPUT, PROGRAM_SLOTS, PROGRAM_VARIABLES } from './limits.js'
import { MessageSocket } from './message-socket.js'

const RELAY = fileURLToPath(new URL('../../native/pvpn-tun-relay', import.meta.url))
/** Debian has openconnect in a folder that is not in every user's PATH. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Milliseconds until a full queue of the program is looked at again. */
const FULL_WAIT = 1
/** Largest packet, in bytes. */
const PACKET_SIZE = 2048

export class ProgramSocket implements DatagramSocket, TunnelProgram {
  readonly localPort = 0
  onBatch: (batch: PacketBatch) => void = () => undefined
  onWritable: () => void = () => undefined
  onError: (error: Error) => void = () => undefined
  readonly #batch = new PacketBatch({ capacity: PROGRAM_SLOTS, packetSize: PACKET_SIZE })
  readonly #running = new Set<Promise<void>>()
  #run: Run | undefined
  #packets: MessageSocket | undefined
  #delivering = false
  readonly #path: string

  /** `path`: the folders where the program is looked for. */
  constructor(path = PATH) {
    this.#path = path
  }

  /** Throws the system's error when there is no room for a folder of its own. */
  start(args: readonly string[], input: string, handlers: ProgramHandlers): void {
    this.stop()
    if (accel()?.channel?.channelSend === undefined || !existsSync(RELAY)) {
      setImmediate(() => handlers.onEnd({ missing: 'relay', output: '' }))
      return
    }
    const run: Run = new Run(
      { args, input, path: this.#path },
      {
        onPackets: (fd, variables) => {
          if (this.#run !== run) {
            closeDescriptor(fd)
            return
          }
          this.#adopt(fd)
          handlers.onLink(variables)
        },
        onPrinted: (text, errors) => {
          if (this.#run === run) handlers.onPrinted(text, errors)
        },
        onEnd: (end) => {
          if (this.#run !== run) return
          this.stop()
          handlers.onEnd(end)
        },
      },
    )
    this.#run = run
    this.#running.add(run.ended)
    void run.ended.then(() => this.#running.delete(run.ended))
  }

  say(line: string): void {
    this.#run?.say(line)
  }

  stop(): void {
    this.#packets?.close()
    this.#packets = undefined
    const run = this.#run
    this.#run = undefined
    run?.stop()
  }

  send(batch: PacketBatch, from: number): number {
    const { bytes, offset, length, count } = batch
    for (let i = from; i < count; i++) {
      const size = length[i] as number
      const at = offset[i] as number
      if (size <= 0 || this.#packets === undefined) continue
      if (!this.#packets.send(bytes.subarray(at, at + size))) {
        setTimeout(() => this.onWritable(), FULL_WAIT)
        return i
      }
    }
    return count
  }

  close(): void {
    this.stop()
  }

  get flushed(): Promise<void> {
    return Promise.all(this.#running).then(() => undefined)
  }

  #adopt(fd: number): void {
    this.#packets?.close()
    const packets = new MessageSocket(fd)
    this.#packets = packets
    packets.onMessage = (bytes) => {
      if (this.#packets !== packets || bytes.length > PACKET_SIZE) return
      if (this.#batch.full) this.#deliver()
      this.#batch.push(bytes)
      if (this.#delivering) return
      this.#delivering = true
      queueMicrotask(() => {
        this.#delivering = false
        this.#deliver()
      })
    }
  }

  #deliver(): void {
    if (this.#batch.count > 0) this.onBatch(this.#batch)
    this.#batch.reset()
  }
}

interface RunOptions {
  readonly args: readonly string[]
  readonly input: string
  readonly path: string
}

interface RunHandlers {
  onPackets(fd: number, variables: ReadonlyMap<string, string>): void
  onPrinted: ProgramHandlers['onPrinted']
  onEnd: ProgramHandlers['onEnd']
}

/** One child, from its start to its end. */
class Run {
  readonly ended: Promise<void>
  readonly #handlers: RunHandlers
  readonly #folder = mkdtempSync(join(tmpdir(), 'pvpn-program-'))
  readonly #server: Server
  #child: ChildProcess | undefined
  #channel: DescriptorChannel | undefined
  #text = ''
  #descriptor: number | undefined
  #output = ''
  #stopped = false
  /** Its one message has come. */
  #told = false
  #over: () => void = () => undefined
  #isOver = false

  constructor({ args, input, path: programs }: RunOptions, handlers: RunHandlers) {
    this.#handlers = handlers
    this.ended = new Promise((resolve) => {
      this.#over = resolve
    })
    const path = join(this.#folder, 'relay')
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      if (this.#channel !== undefined || this.#isOver) {
        socket.destroy()
        return
      }
      // Nobody else comes.
      this.#server.close()
      rmSync(this.#folder, { recursive: true, force: true })
      this.#channel = new DescriptorChannel(socket)
      this.#channel.onMessage = (text, descriptors) => this.#hear(text, descriptors)
    })
    this.#server.on('error', () => this.#end())
    this.#server.listen(path, () =>
      this.#spawn([`--script=exec ${quoted(RELAY)} ${quoted(path)}`, ...args], input, programs),
    )
  }

  say(line: string): void {
    if (this.#child?.stdin?.writable === true) this.#child.stdin.write(`${line}\n`)
  }

  /** It is asked, and killed when it does not. */
  stop(): void {
    this.#stopped = true
    this.#child?.stdin?.end()
    if (this.#isOver) return
    if (this.#child === undefined) {
      this.#end()
      return
    }
    this.#child.kill('SIGINT')
    setTimeout(() => {
      if (!this.#isOver) this.#child?.kill('SIGKILL')
    }, PROGRAM_END).unref()
  }

  #spawn(args: readonly string[], input: string, path: string): void {
    if (this.#isOver) return
    const child = spawn('openconnect', args, {
      env: { PATH: path, LANG: 'C.UTF-8' },
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) this.#end(error.code === 'ENOENT' ? 'program' : undefined)
    })
    child.on('close', () => this.#end())
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-PROGRAM_OUTPUT)
        if (!this.#told && !this.#stopped) this.#handlers.onPrinted(text, stream === child.stderr)
      })
    }
    child.stdin.on('error', () => undefined)
    child.stdin.write(input)
  }

  #hear(text: string, descriptors: readonly number[]): void {
    for (const fd of descriptors) {
      if (this.#descriptor === undefined && !this.#stopped && !this.#told) this.#descriptor = fd
      else closeDescriptor(fd)
    }
    if (this.#told) return
    this.#text += text
    const whole = this.#text === '\0' || this.#text.endsWith('\0\0')
    if (this.#text.length > PROGRAM_VARIABLES) this.stop()
    if (!whole || this.#stopped || this.#descriptor === undefined) return
    const fd = this.#descriptor
    this.#descriptor = undefined
    // What the login printed says nothing about a later end.
    this.#told = true
    this.#output = ''
    // A question from here on (the certificate of a new connection is another) is answered by that.
    this.#child?.stdin?.end()
    const entries = this.#text.split('\0').filter((entry) => entry.includes('='))
    this.#handlers.onPackets(
      fd,
      new Map(
        entries.map((entry) => [
          entry.slice(0, entry.indexOf('=')),
          entry.slice(entry.indexOf('=') + 1),
        ]),
      ),
    )
  }

  #end(missing?: 'program'): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#descriptor !== undefined) closeDescriptor(this.#descriptor)
    this.#channel?.close()
    this.#server.close()
    rmSync(this.#folder, { recursive: true, force: true })
    this.#over()
    this.#handlers.onEnd({ output: this.#output, ...(missing === undefined ? {} : { missing }) })
  }
}

/** For /bin/sh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
