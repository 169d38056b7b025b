import t from 'tap'
import { join2, labSkip, Namespace } from '../support/namespace.js'

t.test('namespaces', { skip: labSkip('ping') }, async (t) => {
  const a = await Namespace.create('a', { resolvConf: 'nameserver 192.0.2.1\n' })
  const b = await Namespace.create('b')
  t.teardown(async () => {
    await a.destroy()
    await b.destroy()
  })

  t.test('a pair of interfaces joins two', async (t) => {
    await join2(a, 'eth0', b, 'eth0')
    await a.ip('address add 192.0.2.1/24 dev eth0')
    await b.ip('address add 192.0.2.2/24 dev eth0')
    t.match(await a.check(['ping', '-c1', '-W2', '192.0.2.2']), /1 received/)
  })

  t.test('a namespace has its own resolv.conf', async (t) => {
    t.match(await a.check(['cat', '/etc/resolv.conf']), /192\.0\.2\.1/)
    t.notMatch(await b.check(['cat', '/etc/resolv.conf']), /192\.0\.2\.1/)
  })

  t.test('a failing program is told with its words', async (t) => {
    await t.rejects(a.check(['sh', '-c', 'echo no >&2; exit 3']), { message: /ended with 3: no/ })
  })
})
