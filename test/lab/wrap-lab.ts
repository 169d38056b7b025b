/**
 * The two sites of vpn-lab beside an *outside that answers everything*: whatever leaves the client's
 * link other than to a site's tunnel port gets an answer (HTTP on each TCP port, an address for each
 * name, an echo of each datagram; v4 and v6), and so does the client's own loopback. A program that
 * leaks is not told by a time-out then: it sees the wrong answer, and the capture sees its packet.
 */
import type { ChildProcess } from 'node:child_process'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabGateway, unprivileged } from '../support/lab-gateway.js'
import { eventually, type RunOptions, type RunResult } from '../support/namespace.js'
import { dns, serve, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

/** Another build of it is asked by PVPN_WRAP: the sanitizers' (scripts/fuzz-native.js). */
export const WRAP =
  process.env.PVPN_WRAP ?? fileURLToPath(new URL('../../../bin/pvpn-wrap', import.meta.url))
/** What each name is, asked outside. */
export const OUTSIDE = '192.0.2.66'
/** Somewhere that no environment has. */
export const ELSEWHERE = '198.51.100.1'
export const ELSEWHERE_6 = '2001:db8:99::1'

const ECHO = `
import socket, sys, threading
def serve(s):
    while True:
        data, peer = s.recvmsg(2048, 256)[0::3]
        s.sendto(sys.argv[1].encode() + b' ' + data, peer)
for place in sys.argv[2:]:
    host, port = place.rsplit(':', 1)
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((host, int(port)))
    threading.Thread(target=serve, args=(s,)).start()
print('ready', flush=True)
`

/** Unix sockets that take every connection, and a line for each: of a program of this network namespace, or of another. */
const SERVICES = `
import os, socket, struct, sys, threading
def serve(path):
    if path[0] != '@': os.makedirs(os.path.dirname(path), exist_ok=True)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path.replace('@', '\\0', 1))
    if path[0] != '@': os.chmod(path, 0o666)
    s.listen(8)
    while True:
        c = s.accept()[0]
        pid = struct.unpack('3i', c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        try: same = os.readlink('/proc/%d/ns/net' % pid) == os.readlink('/proc/self/ns/net')
        except OSError: same = False
        print('host' if same else 'inside', path, flush=True)
        c.close()
for path in sys.argv[1:]:
    threading.Thread(target=serve, args=(path,)).start()
`
export const SERVICE_SOCKETS = [
  '/run/nscd/socket',
  '/run/systemd/resolve/io.systemd.Resolve',
  '/run/avahi-daemon/socket',
  '/run/dbus/system_bus_socket',
  '/run/user/65534/bus',
  '/run/lab/session-bus',
]
export const ABSTRACT_SOCKET = '@pvpn-lab'

/** Datagrams of the tunnels, which are all that may leave, and the kernel's own multicast and neighbour messages. */
const ALLOWED = [
  /IP 192\.168\.11\.51\.\d+ > 203\.0\.113\.(2\.51820|6\.51821): UDP/,
  /IP 203\.0\.113\.(2\.51820|6\.51821) > 192\.168\.11\.51\.\d+: UDP/,
  // The kernel, to the far side of a tunnel whose process has gone.
  /IP 192\.168\.11\.51 > 203\.0\.113\.[26]: ICMP 192\.168\.11\.51 udp port \d+ unreachable/,
  /IP6 \S+ > ff02::(16|1:ff\S+|2|1): /,
  /IP6 \S+ > \S+: ICMP6, neighbor (solicitation|advertisement)/,
]

export class WrapLab {
  readonly lab: VpnLab
  readonly gateway: LabGateway
  /** Connections that the host's services have had: `host PATH` or `inside PATH` lines. */
  services = ''
  #captured = ''
  #captures: ChildProcess[] = []

  private constructor(lab: VpnLab) {
    this.lab = lab
    this.gateway = new LabGateway(lab)
  }

  static async create(): Promise<WrapLab> {
    const lab = new WrapLab(await VpnLab.create())
    try {
      await lab.#client()
      await lab.#outside()
      await lab.#sites()
      return lab
    } catch (error) {
      await lab.destroy()
      throw error
    }
  }

  async destroy(): Promise<void> {
    await this.gateway.down()
    await this.lab.destroy()
  }

  /** The command as the gateway's user, inside of an environment. */
  async wrap(
    environment: string,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    return await this.bare([WRAP, environment, ...argv], options)
  }

  /** The command as the gateway's user. */
  async bare(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await this.lab.client.run(unprivileged(argv), { env: this.#env, ...options })
  }

  get #env(): NodeJS.ProcessEnv {
    const DBUS_SESSION_BUS_ADDRESS =
      'unix:abstract=/none,guid=0;unix:path=/run/lab/session-bus,guid=0'
    const { ASAN_OPTIONS = '' } = process.env
    return { ...this.gateway.env, DBUS_SESSION_BUS_ADDRESS, ASAN_OPTIONS }
  }

  /** From now on every packet of the client's link and of its loopback is kept. */
  async capture(): Promise<void> {
    for (const device of ['eth0', 'lo']) {
      const argv = ['tcpdump', '-p', '-i', device, '-n', '-l', '--immediate-mode', 'ip or ip6']
      const child = this.lab.client.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
      let ready = false
      child.stderr?.on('data', (b: Buffer) => {
        ready ||= b.includes('listening on')
      })
      child.stdout?.on('data', (b: Buffer) => {
        this.#captured += b.toString().replace(/^(?=.)/gm, `${device} `)
      })
      this.#captures.push(child)
      if (!(await eventually(() => ready))) throw new Error('tcpdump does not start')
    }
  }

  get captured(): string {
    return this.#captured
  }

  /** Packets that left the client and are none of the tunnels' own, since the last call. */
  async strange(): Promise<string[]> {
    await new Promise((resolve) => setTimeout(resolve, 200))
    const lines = this.#captured.split('\n')
    this.#captured = ''
    return lines.filter((line) => / IP6? /.test(line) && !ALLOWED.some((a) => a.test(line)))
  }

  /** Replaces the client's /etc/resolv.conf, as a program that manages it does. */
  async resolvConf(how: 'file' | 'link' | 'dangling'): Promise<void> {
    const text = 'nameserver 192.168.11.254'
    const script = {
      file: `echo '${text}' > /etc/resolv.new && mv -f /etc/resolv.new /etc/resolv.conf`,
      link: `echo '${text}' > /etc/resolv.real && ln -sf resolv.real /etc/resolv.conf`,
      dangling: 'ln -sf /run/nothing/resolv.conf /etc/resolv.conf',
    }
    await this.lab.client.check(['sh', '-c', script[how]])
  }

  /** /etc and /run of its own, a TUN device for everybody, an address of IPv6, and services of the host. */
  async #client(): Promise<void> {
    const { client, folder } = this.lab
    const etc = join(folder, 'etc')
    mkdirSync(etc)
    await client.check([
      'sh',
      '-c',
      `cp -a /etc/. ${etc} && rm -f ${etc}/resolv.conf && mount --bind ${etc} /etc &&
       mount -t tmpfs none /run && chmod 755 /run &&
       mount -t tmpfs none /dev/net && chmod 755 /dev/net && mknod -m 666 /dev/net/tun c 10 200`,
    ])
    await this.resolvConf('file')
    await client.ip(`address add 2001:db8:11::51/64 dev eth0 nodad
      route add default via 2001:db8:11::1`)
    const argv = ['/usr/bin/python3', '-c', SERVICES, ...SERVICE_SOCKETS, ABSTRACT_SOCKET]
    const services = client.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    services.stdout?.on('data', (b: Buffer) => {
      this.services += b.toString()
    })
    await serve(client, 'host', '127.0.0.1:8000', '127.0.0.1:5432')
  }

  async #outside(): Promise<void> {
    const { router } = this.lab
    await router.ip('address add 2001:db8:11::1/64 dev br0 nodad')
    await router.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'])
    const foreign = 'iifname br0 ip daddr != 203.0.113.0/24'
    const foreign6 = 'iifname br0 ip6 daddr != fe80::/10'
    await router.check(['nft', '-f', '-'], {
      input: `add chain inet lab outside { type nat hook prerouting priority -100; }
        ${[foreign, foreign6]
          .map(
            (
              from,
            ) => `add rule inet lab outside ${from} meta l4proto { tcp, udp } th dport 53 redirect to :53
        add rule inet lab outside ${from} meta l4proto tcp redirect to :8080
        add rule inet lab outside ${from} meta l4proto udp redirect to :7777`,
          )
          .join('\n')}\n`,
    })
    await serve(router, 'outside', '0.0.0.0:8080', '[2001:db8:11::1]:8080')
    const more = [`--address=/#/${OUTSIDE}`, '--listen-address=2001:db8:11::1']
    await dns(router, '192.168.11.254', {}, { refuse: true, more })
    await this.#echo('router', 'outside', '192.168.11.254:7777', '2001:db8:11::1:7777')
  }

  async #sites(): Promise<void> {
    await this.#echo('office', 'office', `${WEB}:7`, `${WEB_6}:7`)
    await this.#echo('site', 'site', `${WEB}:7`, `${WEB_6}:7`)
    await this.#git()
    await this.#ssh()
  }

  async #echo(where: 'router' | 'office' | 'site', ...args: string[]): Promise<void> {
    const ns = where === 'router' ? this.lab.router : this.lab.sites[where]
    const child = ns.spawn(['/usr/bin/python3', '-c', ECHO, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`echo in ${where} ended with ${code}`)))
    })
  }

  /** An empty repository by the git protocol. */
  async #git(): Promise<void> {
    const { office } = this.lab.sites
    const base = join(this.lab.folder, 'git')
    const repository = join(base, 'lab.git')
    await office.check([
      'sh',
      '-c',
      `git init -q --bare ${repository} && cd ${repository} && tree=$(git mktree </dev/null) &&
       git update-ref refs/heads/lab $(GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@example GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@example git commit-tree -m lab $tree)`,
    ])
    office.spawn(
      ['git', 'daemon', '--export-all', `--base-path=${base}`, `--listen=${WEB}`, base],
      { stdio: 'ignore' },
    )
  }

  async #ssh(): Promise<void> {
    const { office } = this.lab.sites
    const { folder } = this.lab
    const key = join(this.gateway.folder, 'key')
    await office.check([
      'sh',
      '-c',
      `mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f ${folder}/host &&
       ssh-keygen -q -t ed25519 -N '' -f ${key} && cp ${key}.pub ${folder}/authorized`,
    ])
    const { uid, gid } = statSync(this.gateway.folder)
    chownSync(key, uid, gid)
    const options = [
      `ListenAddress=${WEB}`,
      'UsePAM=no',
      'StrictModes=no',
      `AuthorizedKeysFile=${folder}/authorized`,
      'PidFile=none',
    ].flatMap((option) => ['-o', option])
    office.spawn(['/usr/sbin/sshd', '-D', '-f', '/dev/null', '-h', `${folder}/host`, ...options], {
      stdio: 'ignore',
    })
  }
}
