/** One holder's connection: takes over its descriptors, and tells it the link. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { Clock, Random } from '../core/types.js'
import { closeDescriptor, type DescriptorChannel } from '../io/descriptor-channel.js'
import { connectHost } from '../io/host-connect.js'
import { HostSocket } from '../io/host-socket.js'
import { Relay } from '../io/relay.js'
import { socketStream } from '../io/socket-stream.js'
import { adoptTun } from '../io/tun.js'
import { CarriedLink } from './carried-link.js'
import { DnsService } from './dns-service.js'
import { MAX_HOST_PORTS } from './limits.js'
import { NamespaceLink } from './namespace-link.js'

/** Milliseconds until a port of the host's loopback must have answered. */
const HOST_PORT_TIMEOUT = 10_000
/** Resolver sockets of one namespace. */
const MOST_DNS_SOCKETS = 8

export interface HolderSessionOptions {
  readonly environment: ManagedEnvironment
  readonly channel: DescriptorChannel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onClose: () => void
}

export class HolderSession {
  readonly #o: HolderSessionOptions
  readonly #dns: DnsService
  readonly #servers = new Set<Server>()
  readonly #datagrams = new Set<DatagramSocket>()
  #hostPorts = 0
  #link: NamespaceLink | CarriedLink | undefined
  #told = ''

  constructor(options: HolderSessionOptions) {
    this.#o = options
    this.#dns = new DnsService(options.environment)
    options.channel.onMessage = (text, descriptors) => this.#message(text, descriptors)
    options.channel.onClose = () => this.#release()
  }

  close(): void {
    this.#o.channel.close()
  }

  changed(): void {
    const { environment, channel } = this.#o
    const { addresses, mtu } = linkOf(environment)
    this.#link?.configure()
    const line = `link ${environment.state} ${mtu} ${addresses.join(',')}\n`
    if (line !== this.#told) channel.write(line)
    this.#told = line
  }

  #message(text: string, descriptors: readonly number[]): void {
    const [fd, ...others] = descriptors
    for (const other of others) closeDescriptor(other)
    if (fd === undefined) return
    const [word, value] = text.trim().split(' ')
    const taken = this.#take(word ?? '', Number(value), fd)
    if (!taken) closeDescriptor(fd)
  }

  #take(word: string, value: number, fd: number): boolean {
    try {
      if (word === 'tun') return this.#device(fd)
      if (word === 'dns-udp4') return this.#dnsDatagrams(fd, 'udp4')
      if (word === 'dns-udp6') return this.#dnsDatagrams(fd, 'udp6')
      if (word === 'dns-tcp') return this.#dnsStreams(fd)
      if (word === 'host-port') return this.#hostPort(fd, value)
    } catch (thrown) {
      this.#o.logger.warn({ err: thrown }, `pvpn-wrap: ${word} was not taken`)
    }
    return false
  }

  #device(fd: number): boolean {
    const { environment, clock, random, logger } = this.#o
    const gate = environment.packetGate
    if (this.#link !== undefined) return false
    const { mtu } = linkOf(environment)
    const device = adoptTun(fd, Math.max(1536, mtu))
    device.onError = (error) => {
      logger.warn({ err: error }, 'the device of a namespace failed')
      this.close()
    }
    const common = { environment, device, dns: this.#dns, clock, random, mtu }
    this.#link =
      gate === undefined ? new CarriedLink(common) : new NamespaceLink({ ...common, gate })
    return true
  }

  #dnsDatagrams(fd: number, family: 'udp4' | 'udp6'): boolean {
    if (this.#datagrams.size >= MOST_DNS_SOCKETS) return false
    // Answers go to addresses given as text, which Node reads by the family.
    const socket = createSocket(family)
    socket.on('error', () => {})
    socket.on('message', (query, from) => {
      this.#dns.datagram(query, (answer) => {
        if (this.#datagrams.has(socket)) socket.send(answer, from.port, from.address, () => {})
      })
    })
    socket.bind({ fd })
    this.#datagrams.add(socket)
    return true
  }

  #dnsStreams(fd: number): boolean {
    if (this.#servers.size >= MOST_DNS_SOCKETS + MAX_HOST_PORTS) return false
    this.#serve(fd, (socket) => this.#dns.stream(socketStream(socket)))
    return true
  }

  #hostPort(fd: number, port: number): boolean {
    if (this.#hostPorts >= MAX_HOST_PORTS || !(port > 0 && port < 65_536)) return false
    this.#hostPorts++
    this.#serve(fd, (socket) => {
      connectHost({ host: '127.0.0.1', port }, { timeout: HOST_PORT_TIMEOUT }).then(
        (stream) => new Relay(new HostSocket(socket), stream),
        () => socket.resetAndDestroy(),
      )
    })
    return true
  }

  #serve(fd: number, onSocket: (socket: Socket) => void): void {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    server.on('error', () => {})
    server.on('connection', (socket) => {
      socket.on('error', () => {})
      onSocket(socket)
    })
    server.listen({ fd })
    this.#servers.add(server)
  }

  #release(): void {
    this.#link?.close()
    this.#dns.close()
    for (const server of this.#servers) server.close()
    for (const socket of this.#datagrams) socket.close()
    this.#servers.clear()
    this.#datagrams.clear()
    this.#o.onClose()
  }
}

/** Addresses as text without prefix lengths, and the MTU in bytes. */
function linkOf(environment: ManagedEnvironment): { addresses: readonly string[]; mtu: number } {
  const { link } = environment
  if (link === undefined) return { addresses: ['192.0.0.2', 'fd70:7670:6e::2'], mtu: 1500 }
  return { addresses: link.addresses.map((text) => text.replace(/\/.*$/, '')), mtu: link.mtu }
}
