/** A listening socket of the hub: TCP, or a Unix socket for its owner alone. */
import { chmodSync, unlinkSync } from 'node:fs'
import { parseIp } from '../core/ip.js'
import type { ListenAddress } from '../core/options.js'
import { ADDRESS_SIZE, socketAddressEndpoint } from '../core/socket-address.js'
import type { AccelStreams } from '../native/contract.js'
import { Hub, type HubMember } from './hub.js'
import { HubSocket } from './hub-socket.js'
import type { LeanSocket } from './lean-socket.js'
import { HUB_ACCEPTS } from './limits.js'
import { ownerAlone } from './owner-alone.js'

const slots = new Int32Array(HUB_ACCEPTS)
const records = new Uint8Array(HUB_ACCEPTS * ADDRESS_SIZE)

const hubs = new WeakMap<AccelStreams, Hub>()

/** The process's hub. */
export function hubOf(native: AccelStreams): Hub {
  let hub = hubs.get(native)
  if (hub === undefined) {
    hub = new Hub(native)
    hubs.set(native, hub)
  }
  return hub
}

export class HubListener implements HubMember {
  readonly #hub: Hub
  readonly #onSocket: (socket: LeanSocket) => void
  #slot: number | undefined
  #path: string | undefined

  constructor(hub: Hub, onSocket: (socket: LeanSocket) => void) {
    this.#hub = hub
    this.#onSocket = onSocket
  }

  /** The address as bound: the port is the real one. Throws the system's error. */
  open(listen: ListenAddress): ListenAddress {
    if (listen.kind === 'unix') {
      const { path } = listen
      ownerAlone(() => {
        this.#slot = this.#hub.listenUnix(path, this)
        this.#path = path
        chmodSync(path, 0o600)
      })
      return listen
    }
    const ip = parseIp(listen.address)
    if (ip === undefined) throw new TypeError(`not an IP address: ${listen.address}`)
    this.#slot = this.#hub.listen(ip, listen.port, this)
    const record = new Uint8Array(ADDRESS_SIZE)
    this.#hub.native.hubName(this.#hub.handle, this.#slot, record)
    const { address, port } = socketAddressEndpoint(record)
    return { kind: 'tcp', address, port }
  }

  onEvents(): void {
    const { native, handle } = this.#hub
    if (this.#slot === undefined) return
    const count = native.hubAccept(handle, this.#slot, slots, records)
    // All of them first: whoever is told of one may close the hub's last, and this listener.
    const accepted: LeanSocket[] = []
    for (let i = 0; i < count; i++) {
      const at = i * ADDRESS_SIZE
      const remote = records[at] === 0 ? undefined : socketAddressEndpoint(records, at)
      accepted.push(new HubSocket(this.#hub, slots[i] as number, remote))
    }
    for (const socket of accepted) this.#onSocket(socket)
  }

  /** Accepts no more; open connections stay. */
  close(): void {
    if (this.#slot === undefined) return
    this.#hub.drop(this.#slot, false)
    this.#slot = undefined
    if (this.#path === undefined) return
    try {
      unlinkSync(this.#path)
    } catch {
      // Removed by somebody else.
    }
  }
}
