import t from 'tap'
import { formatProblem } from '../../src/config/problem.js'
import { parseWgQuick } from '../../src/config/wg-quick.js'
import { parseWireguardFile } from '../../src/config/wireguard-file.js'
import { KEY, PEER } from './support.js'

const PSK = 'FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE='

function problems(text: string): readonly string[] {
  return parseWgQuick(text, 'x.conf').report.problems.map(formatProblem)
}

t.test('every key of wg-quick(8) and wg(8)', async (t) => {
  const { options, directives, report } = parseWgQuick(
    `# a comment
[Interface]
Address = 192.168.9.52/24 , fd00::2/64 # two
address=10.0.0.1
DNS = 192.168.10.1, fd00::53
dns = office.example, Corp.Example.
MTU = 1380
Table = off
PreUp = echo 1
PostUp = echo 2; echo 3
PreDown = echo 4
PostDown = echo 5
SaveConfig = true
FwMark = 0xca6c
ListenPort = 51820
PRIVATEKEY = ${KEY}

[Peer]
PublicKey = ${PEER}
PresharedKey = ${PSK}
AllowedIPs = 192.168.8.1/22
AllowedIPs = 10.0.0.0/8,, ::/0
Endpoint = Vpn.Example.com:51820
PersistentKeepalive = 25

[peer]
PublicKey = ${PSK}
Endpoint = [2001:db8::1]:1234
AllowedIPs =
PersistentKeepalive = off
`,
    'x.conf',
  )
  t.strictSame(report.problems, [])
  t.strictSame(report.warnings.map(formatProblem), [
    'x.conf:26:1: this peer has no AllowedIPs: nothing goes to it',
  ])
  const bytes = (key: string) => Uint8Array.from(Buffer.from(key, 'base64'))
  t.strictSame(options, {
    type: 'wireguard',
    privateKey: bytes(KEY),
    addresses: ['192.168.9.52/24', 'fd00::2/64', '10.0.0.1/32'],
    dns: ['192.168.10.1', 'fd00::53'],
    search: ['office.example', 'corp.example'],
    mtu: 1380,
    listenPort: 51820,
    peers: [
      {
        publicKey: bytes(PEER),
        presharedKey: bytes(PSK),
        endpoint: { host: 'vpn.example.com', port: 51820 },
        allowedIps: ['192.168.8.0/22', '10.0.0.0/8', '::/0'],
        persistentKeepalive: 25,
      },
      {
        publicKey: bytes(PSK),
        endpoint: { host: '2001:db8::1', port: 1234 },
        allowedIps: [],
        persistentKeepalive: 0,
      },
    ],
  })
  const verdicts = (verdict: string) =>
    directives.filter((d) => d.verdict === verdict).map((d) => `${d.line} ${d.name}`)
  t.strictSame(verdicts('refused'), [
    '9 [Interface] PreUp',
    '10 [Interface] PostUp',
    '11 [Interface] PreDown',
    '12 [Interface] PostDown',
  ])
  t.strictSame(verdicts('ignored'), [
    '8 [Interface] Table',
    '13 [Interface] SaveConfig',
    '14 [Interface] FwMark',
  ])
  t.equal(verdicts('honoured').length, 17)
  t.ok(directives.every((d) => (d.verdict === 'honoured') === (d.reason === undefined)))
  t.notMatch(JSON.stringify(directives), KEY)
})

t.test('defaults, byte order mark, CRLF and no newline at the end', async (t) => {
  const text = `\ufeff[Interface]\r\nPrivateKey=${KEY}\r\nAddress=10.0.0.2\r\n[Peer]\r\nPublicKey=${PEER}\r\nAllowedIPs=0.0.0.0/0\r\nPresharedKey=${'A'.repeat(43)}=`
  const { options, report } = parseWgQuick(text, 'x.conf')
  t.strictSame(report.problems, [])
  t.match(options, { mtu: 1420, listenPort: 0, dns: [], search: [] })
  t.notOk('presharedKey' in (options?.peers[0] ?? {}), 'all zeros means none')
  t.notOk('endpoint' in (options?.peers[0] ?? {}), 'the peer calls us')
})

t.test('a small MTU and IPv6 do not go together', async (t) => {
  const told = (address: string) => {
    const text = `[Interface]\nPrivateKey=${KEY}\nAddress=${address}\nMTU=1279\n[Peer]\nPublicKey=${PEER}\nAllowedIPs=::/0`
    return parseWgQuick(text, 'x.conf').report.warnings.map(formatProblem)
  }
  t.strictSame(told('10.0.0.1'), [])
  t.strictSame(told('fd00::1'), ['x.conf:1:1: IPv6 needs an MTU of 1280 at least, and has 1279'])
})

t.test('mistakes are told at their place, all of them', async (t) => {
  const bad = `PrivateKey = x
[Interface]
PrivateKey = ${KEY.slice(1)}
Adress = 10.0.0.1
Address = 10.0.0.256, 10.0.0.1/33
DNS = 1.1.1.300
MTU = 12
ListenPort = 65536
Endpoint = a:1
Jc = 4
nonsense
[Pear]
[Peer]
PublicKey = ${PEER}
AllowedIPs = 10.0.0.0/8, x
Endpoint = vpn.example
PersistentKeepalive = 70000
S1 = 3
Table = 4
[Peer]
[Peer]
PublicKey = ${PEER}
`
  t.strictSame(problems(bad), [
    'x.conf:1:1: stands before any [Section]',
    'x.conf:11:1: is neither [Section] nor Key = Value',
    'x.conf:3:14: PrivateKey is not a key: 44 characters of base64 (wg genkey)',
    'x.conf:4:1: unknown key "Adress" in [Interface]; did you mean "Address"?',
    'x.conf:5:11: "10.0.0.256" is not an address with prefix length',
    'x.conf:5:23: "10.0.0.1/33" is not an address with prefix length',
    'x.conf:6:7: "1.1.1.300" is neither the IP address of a DNS server nor a search domain',
    'x.conf:7:7: MTU must be a whole number from 576 to 65535',
    'x.conf:8:14: ListenPort must be a whole number from 0 to 65535',
    'x.conf:9:1: Endpoint belongs under [Peer]',
    'x.conf:10:1: Jc belongs to AmneziaWG, another protocol on the wire, which pvpn does not speak',
    'x.conf:12:1: unknown section "Pear"; did you mean "Peer"?',
    'x.conf:15:26: "x" is not a network like 10.20.0.0/16',
    'x.conf:16:12: "vpn.example" is not HOST:PORT with a port from 1 to 65535',
    'x.conf:17:23: PersistentKeepalive must be a whole number from 0 to 65535',
    'x.conf:18:1: S1 belongs to AmneziaWG, another protocol on the wire, which pvpn does not speak',
    'x.conf:19:1: Table belongs under [Interface]',
    'x.conf:2:1: Address is missing',
    'x.conf:20:1: PublicKey is missing',
    "x.conf:21:1: this peer's PublicKey is that of the peer on line 13",
  ])
  t.strictSame(problems(''), ['x.conf:1:1: [Interface] is missing'])
  t.strictSame(problems('[Interface]'), [
    'x.conf:1:1: PrivateKey is missing',
    'x.conf:1:1: Address is missing',
    'x.conf:1:1: there is no [Peer]',
  ])
})

t.test('no message holds a key, however it was mistyped', async (t) => {
  for (const line of [`PrivateKey ${KEY}`, KEY, `PrivateKey = ${KEY}x`, `Private Key = ${KEY}`]) {
    const told = problems(`[Interface]\n${line}\n[Peer]\n${line}\nPresharedKey = ${KEY} ${KEY}`)
    t.ok(told.length > 0)
    t.notMatch(told.join('\n'), KEY.slice(0, 20), line.replace(KEY, 'KEY'))
  }
})

t.test('bounds: peers and AllowedIPs', async (t) => {
  const head = `[Interface]\nPrivateKey = ${KEY}\nAddress = 10.0.0.1\n`
  const many = `[Peer]\nPublicKey = ${PEER}\n`.repeat(1100)
  t.ok(problems(head + many).includes('x.conf:2052:1: more than 1024 peers'))
  const wide = `[Peer]\nPublicKey = ${PEER}\nAllowedIPs = ${'10.0.0.0/8,'.repeat(16_385)}`
  t.match(problems(head + wide), [/more than 16384 AllowedIPs$/])
})

t.test("wireproxy's sections and keys do not disturb", async (t) => {
  const { options, others, directives } = parseWireguardFile(
    `[Interface]\nPrivateKey = ${KEY}\nAddress = 10.0.0.1\nCheckAlive = 1.1.1.1\n[Peer]\nPublicKey = ${PEER}\nAllowedIPs = ::/0\n[Socks5]\nBindAddress = 127.0.0.1:25344\n`,
    'x.conf',
  )
  t.ok(options)
  t.strictSame(
    others.map((section) => section.name),
    ['Socks5'],
  )
  t.match(directives[2], { name: '[Interface] CheckAlive', verdict: 'ignored' })
})

t.test("NetworkManager's keyfile says the same in its words", async (t) => {
  const { options, directives, report } = parseWireguardFile(
    `[connection]
id=office
type=wireguard

[wireguard]
private-key=${KEY}
listen-port=51820
mtu=1380
peer-routes=false

[wireguard-peer.${PEER}]
endpoint=vpn.example:51820
preshared-key=${PSK}
preshared-key-flags=0
persistent-keepalive=25
allowed-ips=192.168.8.0/22;::/0;

[ipv4]
address1=192.168.9.52/24,192.168.9.1
dns=192.168.10.1;
dns-search=office.example;
method=manual

[ipv6]
address1=fd00::2/64
`,
    'x.nmconnection',
  )
  t.strictSame(report.problems, [])
  t.match(options, {
    addresses: ['192.168.9.52/24', 'fd00::2/64'],
    dns: ['192.168.10.1'],
    search: ['office.example'],
    mtu: 1380,
    listenPort: 51820,
    peers: [
      {
        endpoint: { host: 'vpn.example', port: 51820 },
        allowedIps: ['192.168.8.0/22', '::/0'],
        persistentKeepalive: 25,
      },
    ],
  })
  t.strictSame(
    directives.filter((d) => d.verdict === 'ignored').map((d) => d.name),
    [
      '[connection] id',
      '[connection] type',
      '[wireguard] peer-routes',
      '[wireguard-peer] preshared-key-flags',
      '[ipv4] method',
    ],
  )
  const lines = directives.map((d) => d.line)
  t.strictSame(
    lines,
    [...lines].sort((a, b) => a - b),
  )
})
