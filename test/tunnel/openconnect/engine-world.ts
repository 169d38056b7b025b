/** For the tests of `engine: openconnect`: a program that the test plays. */
import type { OpenconnectOptions } from '../../../src/core/options.js'
import type { ProgramHandlers, TunnelProgram } from '../../../src/core/tunnel-program.js'

export const ENGINE_OPTIONS: OpenconnectOptions = {
  type: 'openconnect',
  place: { host: 'vpn.example', port: 443, path: '/' },
  form: {},
  tls: {},
  engine: 'openconnect',
  protocol: 'gp',
  dtls: false,
}
export const VARIABLES = new Map([
  ['VPNGATEWAY', '203.0.113.6'],
  ['INTERNAL_IP4_ADDRESS', '192.168.9.52'],
  ['INTERNAL_IP4_NETMASK', '255.255.255.0'],
  ['INTERNAL_IP4_MTU', '1390'],
  ['INTERNAL_IP4_DNS', '192.168.10.1 192.168.10.2'],
  ['INTERNAL_IP6_NETMASK', 'fd00:9::5/64'],
  ['CISCO_DEF_DOMAIN', 'site.example'],
  ['CISCO_BANNER', 'Welcome\n100%'],
  ['CISCO_SPLIT_INC', '1'],
  ['CISCO_SPLIT_INC_0_ADDR', '192.168.11.0'],
  ['CISCO_SPLIT_INC_0_MASKLEN', '24'],
  ['CISCO_SPLIT_EXC', '1'],
  ['CISCO_SPLIT_EXC_0_ADDR', '192.168.11.200'],
  ['CISCO_SPLIT_EXC_0_MASKLEN', '32'],
])

/** What the program prints when there is TLS. */
export const CONNECTED = 'Connected to HTTPS on vpn.example with ciphersuite (TLS1.3)\n'

export class Program implements TunnelProgram {
  starts = 0
  stops = 0
  args: readonly string[] = []
  input = ''
  /** What it was told since it began. */
  told: string[] = []
  handlers: ProgramHandlers | undefined

  start(args: readonly string[], input: string, handlers: ProgramHandlers): void {
    this.starts++
    this.args = args
    this.input = input
    this.told = []
    this.handlers = handlers
  }

  say(line: string): void {
    this.told.push(line)
  }

  stop(): void {
    this.stops++
  }
}
