import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, VpnLab, WEB } from '../support/vpn-lab.js'

t.test('the lab itself is as drawn', { skip: labSkip(...LAB_PROGRAMS) }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const { client, sites } = lab
  const curl = ['curl', '-sS', '-m', '5']

  t.match(await client.check([...curl, `http://${WEB}/`]), /^local 192\.168\.11\.10 /)
  t.match(await client.check([...curl, 'http://third.home.example/']), /^local-13 /)
  t.match(await client.check(['ping', '-c1', '-W2', '203.0.113.2']), /1 received/)
  t.match(await client.check(['ping', '-c1', '-W2', '203.0.113.6']), /1 received/)
  t.match(await sites.office.check([...curl, `http://${WEB}/`]), /^office /)
  t.match(await sites.site.check([...curl, `http://${WEB}/`]), /^site /)
  await lab.cut('office', true)
  t.not((await client.run(['ping', '-c1', '-W1', '203.0.113.2'])).code, 0)
  t.match(await client.check(['ping', '-c1', '-W2', '203.0.113.6']), /1 received/)
  await lab.cut('office', false)
  t.match(await client.check(['ping', '-c1', '-W2', '203.0.113.2']), /1 received/)
})
