/** Every kind of mistake with its exact message. */
import t from 'tap'
import { Folder } from './support.js'

const DIRECT = 'tunnel: { type: direct }'

/** Each: what it is, the file, its problems. `E:` begins an environments map with one line per environment. */
const CASES: readonly (readonly [what: string, yaml: string, ...problems: string[]])[] = [
  [
    'a scalar',
    'hello',
    'pvpn.yaml:1:1: the file must be a map of keys and values, not a single value',
  ],
  ['a list', '- a', 'pvpn.yaml:1:1: the file must be a map of keys and values, not a list'],
  ['no environments', 'version: 1', 'pvpn.yaml:1:1: "environments" is missing'],
  ['an empty map', 'environments: {}', 'pvpn.yaml:1:15: there is no good environment in it'],
  [
    'another version',
    `version: 2\nenvironments: { a: { ${DIRECT} } }`,
    'pvpn.yaml:1:10: "version" must be 1',
  ],
  [
    'a misspelt key',
    `environments: { a: { ${DIRECT}, listn: 127.0.0.1:1081 } }\npolcy: {}`,
    'pvpn.yaml:1:48: unknown key "listn"; did you mean "listen"?',
    'pvpn.yaml:2:1: unknown key "polcy"; did you mean "policy"?',
  ],
  [
    'a far-off key',
    `environments: { a: { ${DIRECT} } }\nxyzzy: 1`,
    'pvpn.yaml:2:1: unknown key "xyzzy"',
  ],
  [
    'a colon left out, behind which a secret may stand',
    `environments: { a: { ${DIRECT}, users: [{ name: ann, password hunter2 }, { name: bob, hunter2 }] } }`,
    'pvpn.yaml:1:56: "password_file" (or "password_command") is missing',
    'pvpn.yaml:1:69: has a key that is not known and has no value: is a ":" missing?',
    'pvpn.yaml:1:89: "password_file" (or "password_command") is missing',
    'pvpn.yaml:1:102: has a key that is not known and has no value: is a ":" missing?',
  ],
  [
    'a key twice',
    `environments:\n  a: { ${DIRECT} }\n  a: { ${DIRECT} }`,
    'pvpn.yaml:3:3: key "a" appears twice (first on line 2)',
  ],
  [
    'bad names',
    `environments: { Office: { ${DIRECT} }, deny: { ${DIRECT} }, a: { ${DIRECT} } }`,
    'pvpn.yaml:1:17: "Office" is not a name for an environment: lower-case letters, digits and -, at most 32, the first no -',
    'pvpn.yaml:1:55: "deny" can not be an environment\'s name',
  ],
  ['no tunnel', 'environments: { a: {} }', 'pvpn.yaml:1:20: "tunnel" is missing'],
  [
    'a tunnel that is no map',
    'environments: { a: { tunnel: direct } }',
    'pvpn.yaml:1:30: "tunnel" must be a map like { type: wireguard, file: x.conf }',
  ],
  [
    'no tunnel type',
    'environments: { a: { tunnel: { file: office.conf } } }',
    'pvpn.yaml:1:30: "type" is missing: one of wireguard, openvpn, openconnect, ssh, socks5, http, direct',
  ],
  [
    'a misspelt tunnel type',
    'environments: { a: { tunnel: { type: wiregaurd } } }',
    'pvpn.yaml:1:38: unknown tunnel type "wiregaurd"; did you mean "wireguard"?',
  ],
  [
    'a tunnel type of the future',
    'environments: { a: { tunnel: { type: sstp } } }',
    'pvpn.yaml:1:38: tunnel type "sstp" is not supported by this version yet',
  ],
  [
    'a proxy without a server',
    'environments: { a: { tunnel: { type: socks5 } } }',
    'pvpn.yaml:1:30: "server" is missing',
  ],
  [
    "a proxy's password without a user",
    'environments: { a: { tunnel: { type: http, server: "p.example:3128", password: x } } }',
    'pvpn.yaml:1:80: "password" needs a "username"',
  ],
  [
    'authorities without TLS',
    'environments: { a: { tunnel: { type: http, server: "p.example:3128", server_name: x } } }',
    'pvpn.yaml:1:83: "server_name" needs "tls: true"',
  ],
  [
    'a key of another tunnel type',
    'environments: { a: { tunnel: { type: direct, file: office.conf } } }',
    'pvpn.yaml:1:46: unknown key "file"',
  ],
  [
    'a missing file',
    'environments: { a: { tunnel: { type: wireguard, file: nope.conf } } }',
    'pvpn.yaml:1:55: nope.conf does not exist',
  ],
  [
    'a file that is a folder',
    'environments: { a: { tunnel: { type: wireguard, file: . } } }',
    'pvpn.yaml:1:55: . is not a regular file',
  ],
  [
    'file and fields',
    'environments: { a: { tunnel: { type: wireguard, file: office.conf, mtu: 1280 } } }',
    'pvpn.yaml:1:73: "mtu" can not stand beside "file"; write it in the file',
  ],
  [
    'neither file nor fields',
    'environments: { a: { tunnel: { type: wireguard } } }',
    'pvpn.yaml:1:30: "file" or "private_key_file" is missing',
  ],
  [
    'bad WireGuard fields',
    `environments:
  a:
    tunnel:
      type: wireguard
      private_key: short
      addresses: [10.0.0.300/8]
      mtu: 100
      peers:
        - { public_key: QQ==, allowed_ips: 10.0.0.0/33, persistent_keepalive: often }`,
    'pvpn.yaml:5:20: "private_key" is not a key: 44 characters of base64 (wg genkey)',
    'pvpn.yaml:6:18: the list is empty',
    'pvpn.yaml:6:19: "10.0.0.300/8" is not an address with prefix length',
    'pvpn.yaml:7:12: "mtu" must be a whole number from 576 to 65535',
    'pvpn.yaml:9:25: "public_key" is not a key: 44 characters of base64 (wg genkey)',
    'pvpn.yaml:9:44: "10.0.0.0/33" is not a network like 10.20.0.0/16',
    'pvpn.yaml:9:79: "persistent_keepalive" must be a whole number from 0 to 65535',
  ],
  [
    'bad listeners',
    `environments: { a: { ${DIRECT}, listen: [1081, 'example.com:1081', '127.0.0.1:99999', 'unix:'] } }`,
    'pvpn.yaml:1:57: "1081" is not ADDRESS:PORT (like 127.0.0.1:1081) or unix:PATH',
    'pvpn.yaml:1:63: "example.com" is not an IP address; listeners take addresses only',
    'pvpn.yaml:1:83: "127.0.0.1:99999" is not ADDRESS:PORT (like 127.0.0.1:1081) or unix:PATH',
    'pvpn.yaml:1:102: unix: needs a path',
  ],
  [
    'a socket path that is too long',
    `environments: { a: { ${DIRECT}, listen: 'unix:/${'x'.repeat(107)}' } }`,
    "pvpn.yaml:1:56: the socket's path is longer than 107 bytes",
  ],
  [
    'one port for two',
    `environments:
  a: { ${DIRECT}, listen: 127.0.0.1:1081 }
  b: { ${DIRECT}, listen: '0.0.0.0:1081', allow_unauthenticated: true }
  c: { ${DIRECT}, listen: '[::]:1081', allow_unauthenticated: true }
  d: { ${DIRECT}, listen: ['[::1]:1082', '127.0.0.1:1082', 127.0.0.2:1082] }
  e: { ${DIRECT}, dns: { listen: 127.0.0.1:1083 }, forwards: [{ listen: 127.0.0.1:1083, to: a:1, protocol: udp }] }
  f: { ${DIRECT}, listen: [unix:x, unix:./x, '[::ffff:127.0.0.1]:1082'] }`,
    'pvpn.yaml:3:42: 0.0.0.0:1081 is taken already by environments.a.listen (line 2)',
    'pvpn.yaml:4:42: [::]:1081 is taken already by environments.a.listen (line 2)',
    'pvpn.yaml:6:88: 127.0.0.1:1083 is taken already by environments.e.dns.listen (line 6)',
    'pvpn.yaml:7:51: unix:x is taken already by environments.f.listen (line 7)',
    'pvpn.yaml:7:61: [::ffff:127.0.0.1]:1082 is taken already by environments.d.listen (line 5)',
  ],
  [
    'the ports of control and policy',
    `environments: { a: { ${DIRECT}, listen: [127.0.0.1:1080, 127.0.0.1:1090] } }\npolicy: {}`,
    'pvpn.yaml:1:57: 127.0.0.1:1080 is taken already by policy.listen (the default)',
    'pvpn.yaml:1:73: 127.0.0.1:1090 is taken already by control.listen (the default)',
  ],
  [
    'open to others',
    `control: { listen: 0.0.0.0:1090 }
environments:
  a: { ${DIRECT}, listen: 0.0.0.0:1081 }
  b: { ${DIRECT}, dns: { listen: 192.0.2.1:53 }, forwards: [{ listen: '[2001:db8::1]:1', to: a:1 }] }
policy: { listen: 192.0.2.1:1080 }`,
    'pvpn.yaml:1:20: 0.0.0.0:1090 can be reached from other machines: everybody could read the state, so it needs allow_unauthenticated: true',
    'pvpn.yaml:3:42: 0.0.0.0:1081 can be reached from other machines: it needs users, or allow_unauthenticated: true',
    'pvpn.yaml:4:49: 192.0.2.1:53 can be reached from other machines: it has no users, so it needs allow_unauthenticated: true',
    'pvpn.yaml:4:86: [2001:db8::1]:1 can be reached from other machines: it has no users, so it needs allow_unauthenticated: true',
    'pvpn.yaml:5:19: 192.0.2.1:1080 can be reached from other machines: it needs users, or allow_unauthenticated: true',
  ],
  [
    'bad DNS',
    `environments: { a: { ${DIRECT}, dns: { servers: [dns.example, 192.168.10.1:0], search: [a..b], zones: { '-': 1.1.1.1, 'a b': 1.1.1.1 }, hosts: { x: y } } } }`,
    'pvpn.yaml:1:65: "dns.example" is not the address of a DNS server (an IP address, or IP:PORT)',
    'pvpn.yaml:1:78: "192.168.10.1:0" is not the address of a DNS server (an IP address, or IP:PORT)',
    'pvpn.yaml:1:104: "a..b" is not a domain name',
    'pvpn.yaml:1:134: "a b" is not a domain name',
    'pvpn.yaml:1:164: "y" is not an IP address',
  ],
  [
    'bad forwards and publish',
    `environments:
  a:
    ${DIRECT}
    forwards: [{ listen: 127.0.0.1:1 }, { listen: unix:x, to: 'a:1', protocol: udp }, { listen: 127.0.0.1:2, to: 'a b:1', protocol: sctp }]
    publish: [{ port: 0, to: 'a:1' }, { port: 1, to: 'a:1' }, { port: 1, to: 'a:2' }]`,
    'pvpn.yaml:4:16: "to" is missing',
    'pvpn.yaml:4:51: a Unix socket can not forward udp',
    'pvpn.yaml:4:114: "a b" is not a host name or IP address',
    'pvpn.yaml:4:133: "sctp" is not tcp or udp',
    'pvpn.yaml:5:23: "port" must be a whole number from 1 to 65535',
    'pvpn.yaml:5:71: tcp port 1 is published twice',
  ],
  ...['socks5', 'http'].map(
    (type) =>
      [
        `something published through ${type}`,
        `environments:\n  a:\n    tunnel: { type: ${type}, server: 'a:1' }\n    publish: [{ port: 8, to: 'b:1' }]`,
        'pvpn.yaml:4:23: a proxy as tunnel takes no connections from inside: nothing can be published',
      ] as const,
  ),
  [
    'wrong types',
    `environments: { a: { ${DIRECT}, start: sometimes, connect_timeout: soon, allow_unauthenticated: yes, users: { }, listen: { } } }`,
    'pvpn.yaml:1:55: "sometimes" is not always or on-demand',
    'pvpn.yaml:1:83: "connect_timeout" must be a number from 1 to 600',
    'pvpn.yaml:1:112: "allow_unauthenticated" must be true or false',
    'pvpn.yaml:1:124: "users" must be a list, not a map',
    'pvpn.yaml:1:137: "listen" must be ADDRESS:PORT or unix:PATH, not a map',
  ],
  [
    'empty values',
    `environments:\n  a:\n    ${DIRECT}\n    listen:\n    start:\n  b:`,
    'pvpn.yaml:4:12: "listen" is empty: must be ADDRESS:PORT or unix:PATH',
    'pvpn.yaml:5:11: "start" is empty: must be always or on-demand',
    'pvpn.yaml:6:5: "b" is empty',
  ],
  [
    'users',
    `environments:
  a:
    ${DIRECT}
    users: [{ name: ann }, { password: x }, { name: 'a:b', password: x }, { name: ann, password: x, password_file: y }]`,
    'pvpn.yaml:4:13: "password_file" (or "password_command") is missing',
    'pvpn.yaml:4:28: "name" is missing',
    'pvpn.yaml:4:53: "name" must be a user name without colon and control characters',
    'pvpn.yaml:4:83: user "ann" appears twice',
    'pvpn.yaml:4:98: give only one of "password" and "password_file"',
  ],
  [
    'the policy',
    `environments: { office: { ${DIRECT} } }
policy:
  names: maybe
  rules:
    - { environment: office }
    - { domain: 'a b', environment: ofice }
    - { children: true, user: x, environment: deny }
    - { port: 0 }
  default: hom`,
    'pvpn.yaml:3:10: "names" must be true or false',
    'pvpn.yaml:5:7: a rule needs a condition (program, user, group, domain, address, port); "default" takes all',
    'pvpn.yaml:6:17: "a b" is not a domain: NAME, .SUFFIX, or a pattern with *',
    'pvpn.yaml:6:37: unknown environment "ofice"; did you mean "office"?',
    'pvpn.yaml:7:19: "children" needs "program"',
    'pvpn.yaml:8:7: "environment" is missing',
    'pvpn.yaml:8:15: "port" must be a whole number from 1 to 65535',
    'pvpn.yaml:9:12: unknown environment "hom"',
  ],
  [
    'through',
    `environments:
  a: { tunnel: { type: direct, through: b } }
  b: { tunnel: { type: direct, through: c } }
  c: { tunnel: { type: direct, through: b } }
  d: { tunnel: { type: direct, through: d } }
  e: { tunnel: { type: direct, through: f } }`,
    'pvpn.yaml:2:41: a direct environment has no tunnel to go through another',
    'pvpn.yaml:3:41: "through" makes a loop: b -> c -> b',
    'pvpn.yaml:4:41: "through" makes a loop: c -> b -> c',
    'pvpn.yaml:5:41: "through" makes a loop: d -> d',
    'pvpn.yaml:6:41: unknown environment "f"; did you mean "a"?',
  ],
  [
    'a tab',
    'environments:\n\ta: 1',
    'pvpn.yaml:2:1: a tab is used for indentation; YAML takes spaces only',
  ],
  [
    'two documents',
    'environments: {}\n---\na: 1',
    'pvpn.yaml:2:1: only one document is allowed: remove this --- and what follows',
  ],
  [
    'an unquoted IPv6 address',
    `environments: { a: { ${DIRECT}, listen: [::1]:1081 } }`,
    "pvpn.yaml:1:61: an IPv6 address in brackets needs quotes: '[::1]:1081'",
  ],
  [
    'an alias of nothing',
    `environments: { a: { ${DIRECT}, start: *x } }`,
    'pvpn.yaml:1:55: this alias has no anchor before it; text that begins with * needs quotes',
  ],
  [
    'a tag',
    `environments: { a: { ${DIRECT}, start: !x always } }`,
    'pvpn.yaml:1:55: YAML tags (!name) are not used here; text that begins with ! needs quotes',
  ],
]

for (const [what, yaml, ...wanted] of CASES) {
  t.test(what, async (t) => {
    const folder = new Folder(t)
    const { problems, options } = await folder.check(yaml)
    t.strictSame(problems, wanted)
    t.equal(options, undefined)
  })
}
