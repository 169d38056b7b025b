import t from 'tap'
import { HostAlias } from '../../src/listener/host-alias.js'

const NAME = new HostAlias('shop.office.example.site.pvpn.internal', 'shop.office.example')
const V4 = new HostAlias('192.168.11.10.site.pvpn.internal', '192.168.11.10')
const V6 = new HostAlias('fd00-11--10.site.pvpn.internal', 'fd00:11::10')

t.test('the authority keeps its port and loses our part', async (t) => {
  t.equal(NAME.authority('Shop.office.example.site.pvpn.internal:8080'), 'shop.office.example:8080')
  t.equal(V4.authority('192.168.11.10.site.pvpn.internal'), '192.168.11.10')
  t.equal(V6.authority('fd00-11--10.site.pvpn.internal:80'), '[fd00:11::10]:80')
})

t.test('URLs of the server itself are turned back, others are left alone', async (t) => {
  const own = 'shop.office.example.site.pvpn.internal'
  const table: [HostAlias, string, string, string][] = [
    [NAME, 'Location', 'http://shop.office.example/a', `http://${own}/a`],
    [NAME, 'location', 'HTTP://SHOP.office.example:8080/a', `HTTP://${own}:8080/a`],
    [NAME, 'Location', 'https://shop.office.example', `https://${own}`],
    [NAME, 'Location', '//shop.office.example?x', `//${own}?x`],
    [NAME, 'Location', '/relative', '/relative'],
    [NAME, 'Location', 'http://other.office.example/', 'http://other.office.example/'],
    [NAME, 'Location', 'http://shop.office.example.evil/', 'http://shop.office.example.evil/'],
    [NAME, 'Location', 'http://x@shop.office.example/', 'http://x@shop.office.example/'],
    [
      NAME,
      'Location',
      'http://sso.example/?to=http://shop.office.example/',
      'http://sso.example/?to=http://shop.office.example/',
    ],
    [NAME, 'Refresh', '5; url=http://shop.office.example/', `5; url=http://${own}/`],
    [NAME, 'Refresh', '5;URL="http://shop.office.example/"', `5;URL="http://${own}/"`],
    [NAME, 'Access-Control-Allow-Origin', 'http://shop.office.example', `http://${own}`],
    [NAME, 'Access-Control-Allow-Origin', '*', '*'],
    [NAME, 'X-Other', 'http://shop.office.example', 'http://shop.office.example'],
    [V4, 'Location', 'http://192.168.11.10/', 'http://192.168.11.10.site.pvpn.internal/'],
    [V6, 'Location', 'http://[fd00:11::10]:80/', 'http://fd00-11--10.site.pvpn.internal:80/'],
  ]
  for (const [alias, name, value, expected] of table) {
    const fields = [name, value]
    alias.answer(fields)
    t.equal(fields[1], expected, `${name}: ${value}`)
  }
})

t.test('cookies stay with the host, or the domain parallel to theirs', async (t) => {
  const table: [HostAlias, string, string][] = [
    [NAME, 'a=1; Path=/; HttpOnly', 'a=1; Path=/; HttpOnly'],
    [
      NAME,
      'a=1; Domain=.office.example; Path=/',
      'a=1; Domain=office.example.site.pvpn.internal; Path=/',
    ],
    [NAME, 'a=1; domain=SHOP.office.example', 'a=1; Domain=shop.office.example.site.pvpn.internal'],
    [NAME, 'a=1; Domain=example; Secure', 'a=1; Secure'],
    [NAME, 'a=1; Domain=elsewhere.example', 'a=1'],
    [V4, 'a=1; Domain=192.168.11.10', 'a=1'],
    [V6, 'a=1; Domain=fd00:11::10; Path=/', 'a=1; Path=/'],
  ]
  for (const [alias, value, expected] of table) {
    const fields = ['Set-Cookie', value]
    alias.answer(fields)
    t.equal(fields[1], expected, value)
  }
})

t.test('the server sees its own name in what the browser says of the page', async (t) => {
  const fields = [
    'Origin',
    'http://shop.office.example.site.pvpn.internal',
    'Referer',
    'http://shop.office.example.site.pvpn.internal/a?b',
    'Cookie',
    'u=http://shop.office.example.site.pvpn.internal/',
  ]
  NAME.request(fields)
  t.equal(fields[1], 'http://shop.office.example')
  t.equal(fields[3], 'http://shop.office.example/a?b')
  t.equal(fields[5], 'u=http://shop.office.example.site.pvpn.internal/')
})
