import { join } from 'node:path'
import t from 'tap'
import { findConfig, findConfigToWrite } from '../../src/config/find.js'
import { Folder } from './support.js'

t.test('-c, then $PVPN_CONFIG, then $XDG_CONFIG_HOME, then ~/.config', async (t) => {
  const folder = new Folder(t)
  const at = (name: string) => join(folder.path, name)
  const env = { PVPN_CONFIG: '/x/a.yaml', XDG_CONFIG_HOME: at('xdg'), HOME: at('home') }
  t.equal(findConfig({ file: 'b.yaml', env }), 'b.yaml')
  t.equal(findConfig({ env }), '/x/a.yaml')
  const { PVPN_CONFIG: _, ...rest } = env
  const begin = {
    code: 'ERR_CONFIG',
    message: /^there is no configuration \(neither .*xdg\/pvpn\/pvpn.yaml/,
  }
  t.throws(() => findConfig({ env: rest }), begin)
  t.throws(() => findConfig({ env: { ...rest, PVPN_CONFIG: '' } }), begin)
  folder.write('xdg/pvpn/pvpn.yaml', '')
  t.equal(findConfig({ env: rest }), at('xdg/pvpn/pvpn.yaml'))
  const home = folder.write('home/.config/pvpn/pvpn.yaml', '')
  t.equal(findConfig({ env: rest }), at('xdg/pvpn/pvpn.yaml'))
  for (const XDG_CONFIG_HOME of [undefined, '', 'relative']) {
    t.equal(findConfig({ env: { HOME: rest.HOME, XDG_CONFIG_HOME } }), home)
  }
})

t.test('import writes where the configuration is, else where it is to be', async (t) => {
  const folder = new Folder(t)
  const HOME = folder.path
  const own = join(HOME, '.config/pvpn/pvpn.yaml')
  const env = { HOME }
  t.equal(findConfigToWrite({ env, uid: 1000 }), own)
  t.equal(findConfigToWrite({ env, uid: 0 }), '/etc/pvpn/pvpn.yaml')
  t.equal(
    findConfigToWrite({ env: { HOME, XDG_CONFIG_HOME: join(HOME, 'x') }, uid: 0 }),
    join(HOME, 'x/pvpn/pvpn.yaml'),
  )
  t.equal(findConfigToWrite({ env: { HOME, PVPN_CONFIG: '/y' }, uid: 0 }), '/y')
  t.equal(findConfigToWrite({ env, file: 'z', uid: 0 }), 'z')
  folder.write('.config/pvpn/pvpn.yaml', '')
  t.equal(findConfigToWrite({ env, uid: 0 }), own)
})
