/** More connections than a process may have open: an environment refuses some, and lives on. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { Running, workplace } from './gateway-support.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const DESCRIPTORS = 150

t.test('an environment without a free descriptor tells its status and goes on', async (t) => {
  const place = workplace(t)
  const port = await freePort()
  const file = join(place.root, 'pvpn.yaml')
  writeFileSync(
    file,
    `version: 1\ncontrol: { listen: none }\nenvironments:\n  a: { tunnel: { type: direct }, listen: 127.0.0.1:${port} }\n`,
  )
  const limited = ['-c', `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`]
  const up = new Running('sh', [...limited, process.execPath, PVPN, 'up', '-c', file], place.env)
  t.teardown(() => up.signal('SIGTERM'))
  await up.says(/a +up /)
  const pid = async () => {
    const { stdout } = await place.pvpn('status', '--json')
    return (JSON.parse(stdout) as { environments: { pid: number }[] }).environments[0]?.pid
  }
  const before = await pid()
  const sockets: Socket[] = []
  for (let i = 0; i < DESCRIPTORS * 2; i++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    sockets.push(socket)
  }
  t.equal(await pid(), before)
  for (const socket of sockets) socket.destroy()
  t.equal(await pid(), before, 'and is the same afterwards')
  t.notMatch(up.stdout, /ended/)
})
