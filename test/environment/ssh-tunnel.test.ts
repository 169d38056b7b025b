/** SSH as a tunnel, against ssh2's server over loopback. */

import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { KnownSecrets } from '../../src/core/known-secrets.js'
import { silentLogger } from '../../src/core/log.js'
import type { SshOptions } from '../../src/core/options.js'
import type { ByteStream } from '../../src/core/stream.js'
import { SshTunnel } from '../../src/environment/ssh-tunnel.js'
import { StreamEnvironment } from '../../src/environment/stream-environment.js'
import { systemClock } from '../../src/io/clock.js'
import { hostUnderlay } from '../../src/io/host-underlay.js'
import { systemRandom } from '../../src/io/random.js'
import { Folder } from '../config/support.js'
import { eventually } from '../support/fake-stream.js'
import { startServer } from '../support/proxy.js'
import { keyPair, pemKey, sshOptions, startSsh, type TestServer } from './ssh-server.js'

const NO_DNS = { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] }

function made(t: Test, options: SshOptions): StreamEnvironment {
  const environment = new StreamEnvironment({
    name: 'lab',
    tunnelType: 'ssh',
    dns: NO_DNS,
    connectTimeout: 5,
    tunnel: new SshTunnel({
      options,
      underlay: hostUnderlay,
      timeout: 5000,
      clock: systemClock,
    }),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    secrets: new KnownSecrets(),
    onState: () => {},
  })
  t.teardown(() => void environment.stop())
  return environment
}

async function started(t: Test, options: SshOptions, state = 'up'): Promise<StreamEnvironment> {
  const environment = made(t, options)
  await environment.start()
  await eventually(() => environment.state === state)
  return environment
}

function knownFile(t: Test, ...lines: string[]): string {
  const folder = new Folder(t)
  const path = join(folder.path, 'known_hosts')
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

const key = keyPair()

function withKey(t: Test, server: TestServer): SshOptions {
  const keys = [{ file: 'id', text: key.private }]
  return sshOptions({ port: server.port, knownHosts: [knownFile(t, server.known)], keys })
}

/** Everything that comes until the end, and how it ended. */
function all(stream: ByteStream): Promise<{ readonly text: string; readonly end: string }> {
  return new Promise((resolve) => {
    let text = ''
    const take = () => {
      for (let b = stream.read(); b !== undefined; b = stream.read()) {
        text += Buffer.from(b).toString()
      }
    }
    stream.onReadable = take
    stream.onClose = (error) => {
      take()
      resolve({ text, end: error?.code ?? 'end' })
    }
    take()
  })
}

t.test('half-close, refusals, names, and no UDP', async (t) => {
  const server = await startSsh(t, { keys: [key.public] })
  const environment = await started(t, withKey(t, server))
  t.equal(environment.tunnelStatus.endpoint, `127.0.0.1:${server.port}`)
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const stream = await environment.dial({ host: 'localhost', port: echo.port })
  t.equal(stream.write(Buffer.from('hello')), 5)
  stream.end()
  t.same(await all(stream), { text: 'hello', end: 'end' })
  await t.rejects(environment.dial({ host: '127.0.0.1', port: 1 }), { name: 'PvpnError' })
  await t.rejects(environment.bindUdp(), { code: 'ERR_UNSUPPORTED' })
  t.same(server.tried, ['none', 'publickey:ssh-ed25519:asked', 'publickey:ssh-ed25519:signed'])
})

t.test('large bodies both ways, under back-pressure', async (t) => {
  const server = await startSsh(t, { keys: [key.public] })
  const environment = await started(t, withKey(t, server))
  const size = 20_000_000
  const source = await startServer(t, (socket) => socket.end(Buffer.alloc(size, 'x')))
  const stream = await environment.dial({ host: '127.0.0.1', port: source.port })
  // Nobody reads: the window holds the server back.
  await new Promise((resolve) => setTimeout(resolve, 200))
  stream.end()
  const { text, end } = await all(stream)
  t.equal(text.length, size)
  t.equal(end, 'end')

  let got = 0
  const sink = await startServer(t, (socket) => {
    socket.on('data', (b: Buffer) => {
      got += b.length
    })
    socket.on('end', () => socket.end('done'))
  })
  const up = await environment.dial({ host: '127.0.0.1', port: sink.port })
  const bytes = Buffer.alloc(size, 'y')
  let at = 0
  const more = () => {
    at += up.write(bytes.subarray(at))
    if (at === size) up.end()
  }
  up.onWritable = more
  const result = all(up)
  more()
  t.ok(at < size, 'it pushes back')
  t.same(await result, { text: 'done', end: 'end' })
  t.equal(got, size)
})

t.test('logins: each kind, in order, and never twice', async (t) => {
  await t.test('encrypted PEM, RSA with SHA-2', async (t) => {
    const pem = pemKey('open')
    const server = await startSsh(t, { keys: [pem.public] })
    const knownHosts = [knownFile(t, server.known)]
    const keys = [{ file: 'id_rsa', text: pem.private, password: 'open' }]
    await started(t, sshOptions({ port: server.port, knownHosts, keys }))
    t.match(server.tried.at(-1), /rsa-sha(256|512):signed/)
    const wrong = [{ file: 'id_rsa', text: pem.private, password: 'shut' }]
    const failed = await started(
      t,
      sshOptions({ port: server.port, knownHosts, keys: wrong }),
      'failed',
    )
    t.match(failed.error, {
      code: 'ERR_AUTH',
      message: /key_password does not open the key id_rsa/,
    })
  })

  await t.test('password', async (t) => {
    const server = await startSsh(t, { password: 'horse' })
    const knownHosts = [knownFile(t, server.known)]
    await started(t, sshOptions({ port: server.port, knownHosts, password: 'horse' }))
    const wrong = await started(
      t,
      sshOptions({ port: server.port, knownHosts, password: 'mule' }),
      'failed',
    )
    t.match(wrong.error, {
      code: 'ERR_AUTH',
      message: /did not accept the password; it takes password/,
    })
    t.notMatch(wrong.error?.message, /mule/)
    t.same(server.tried, ['none', 'password:horse', 'none', 'password:mule'])
  })

  await t.test(
    'keyboard-interactive with the password, and then not again as a password',
    async (t) => {
      const keyboard = { prompts: ['Password: '], answer: 'horse' }
      const server = await startSsh(t, { keyboard, password: 'horse' })
      const knownHosts = [knownFile(t, server.known)]
      await started(t, sshOptions({ port: server.port, knownHosts, password: 'horse' }))
      await started(t, sshOptions({ port: server.port, knownHosts, password: 'mule' }), 'failed')
      t.same(server.tried, ['none', 'keyboard:horse', 'none', 'keyboard:mule'])
    },
  )

  await t.test('questions that nobody can answer', async (t) => {
    const keyboard = { prompts: ['Code: ', 'Again: '], answer: '1' }
    const server = await startSsh(t, { keyboard })
    const knownHosts = [knownFile(t, server.known)]
    const options = sshOptions({ port: server.port, knownHosts, password: 'horse' })
    t.match((await started(t, options, 'failed')).error?.message, /asks "Code:, Again:"/)
  })

  await t.test('nothing to log in with', async (t) => {
    const server = await startSsh(t, { keys: [key.public] })
    const options = sshOptions({ port: server.port, knownHosts: [knownFile(t, server.known)] })
    t.match(
      (await started(t, options, 'failed')).error?.message,
      /nothing to log in with; the server takes publickey/,
    )
  })
})

t.test('what is missing is asked of a person', async (t) => {
  const asked = (environment: StreamEnvironment) =>
    environment.error?.asks.map(({ field, label, secret, once, refused, setting }) =>
      [field, label, secret && 'secret', once && 'once', refused && 'refused', setting].filter(
        Boolean,
      ),
    )
  /** The next state after an answer. */
  const says = async (environment: StreamEnvironment, answers: Record<string, string>) => {
    environment.answer(answers)
    await eventually(() => environment.state !== 'starting')
    return environment.state
  }

  for (const how of ['password', 'keyboard'] as const) {
    await t.test(`a password, by ${how}`, async (t) => {
      const server = await startSsh(
        t,
        how === 'password'
          ? { password: 'horse' }
          : { keyboard: { prompts: ["ann's Password: "], answer: 'horse' } },
      )
      const who = `ann@127.0.0.1:${server.port}`
      const options = sshOptions({ port: server.port, knownHosts: [knownFile(t, server.known)] })
      const environment = await started(t, options, 'failed')
      const field = ['password', `Password of ${who}`, 'secret']
      t.same(asked(environment), [[...field, 'password']])
      t.equal(await says(environment, { password: 'mule' }), 'failed')
      t.same(asked(environment), [[...field, 'refused', 'password']])
      t.notMatch(environment.error?.message, /mule/)
      t.equal(await says(environment, { password: 'horse' }), 'up')
      server.clients.at(-1)?.end()
      await eventually(() => environment.state === 'down')
      await eventually(() => environment.state === 'up')
      const sent = server.tried.filter((way) => way.startsWith(`${how}:`))
      t.same(sent, [`${how}:mule`, `${how}:horse`, `${how}:horse`], 'kept for reconnects')
    })
  }

  await t.test('a code behind the password: used once', async (t) => {
    let code = '1111'
    const keyboard = { prompts: ['Password: '], answer: 'horse' }
    const server = await startSsh(t, { keyboard, code: () => code })
    const knownHosts = [knownFile(t, server.known)]
    const options = sshOptions({ port: server.port, knownHosts, password: 'horse' })
    const environment = await started(t, options, 'failed')
    const field = ['prompt.0', 'Verification code', 'once']
    t.same(asked(environment), [field])
    t.equal(await says(environment, { 'prompt.0': '0000' }), 'failed')
    t.same(asked(environment), [[...field, 'refused']])
    t.equal(await says(environment, { 'prompt.0': '1111' }), 'up')
    code = '2222'
    server.clients.at(-1)?.end()
    await eventually(() => environment.state === 'failed')
    t.same(asked(environment), [field], 'the next login wants the next code')
    t.same(
      server.tried.filter((way) => way.startsWith('code:')),
      ['code:0000', 'code:1111'],
      'nothing is sent twice',
    )
    t.equal(await says(environment, { 'prompt.0': '2222' }), 'up')
  })

  await t.test('questions before questions come together the next time', async (t) => {
    const keyboard = { prompts: ['Token: '], answer: '7' }
    const server = await startSsh(t, { keyboard, code: () => '8' })
    const options = sshOptions({ port: server.port, knownHosts: [knownFile(t, server.known)] })
    const environment = await started(t, options, 'failed')
    t.same(asked(environment), [['prompt.0', 'Token', 'secret', 'once']])
    t.equal(await says(environment, { 'prompt.0': '7' }), 'failed')
    t.same(asked(environment), [
      ['prompt.0', 'Token', 'secret', 'once'],
      ['prompt.1', 'Verification code', 'once'],
    ])
    t.equal(await says(environment, { 'prompt.0': '7', 'prompt.1': '8' }), 'up')
  })

  await t.test('the password of a key, before anything is sent; of a jump host', async (t) => {
    const pem = pemKey('open')
    const gate = await startSsh(t, { keys: [pem.public] })
    const server = await startSsh(t, { password: 'horse' })
    const keys = [{ file: 'id_rsa', text: pem.private, locked: true }]
    const near = sshOptions({ port: gate.port, knownHosts: [knownFile(t, gate.known)], keys }).hops
    const far = sshOptions({ port: server.port, knownHosts: [knownFile(t, server.known)] }).hops
    const environment = await started(t, { type: 'ssh', hops: [...near, ...far] }, 'failed')
    const field = ['jump1.key_password', 'Password of the key id_rsa', 'secret']
    t.same(asked(environment), [field])
    t.equal(gate.clients.length, 0)
    t.equal(await says(environment, { 'jump1.key_password': 'shut' }), 'failed')
    t.same(asked(environment), [[...field, 'refused']])
    t.equal(await says(environment, { 'jump1.key_password': 'open' }), 'failed')
    t.match(asked(environment), [['password', /^Password of ann@/]])
    t.equal(await says(environment, { password: 'horse' }), 'up')
    t.notOk(
      gate.tried.some((way) => way.includes('horse')),
      'the jump host does not get it',
    )
  })
})

t.test('host keys', async (t) => {
  const [known, other] = [keyPair(), keyPair('ecdsa')]
  const server = await startSsh(t, { hostKeys: [other, known], keys: [key.public] })
  const line = `[127.0.0.1]:${server.port}`
  const keys = [{ file: 'id', text: key.private }]
  const open = (state: string, ...lines: string[]) =>
    started(t, sshOptions({ port: server.port, knownHosts: [knownFile(t, ...lines)], keys }), state)

  await open('up', `${line} ${known.public}`)
  await open('up', `127.0.0.1 ${known.public}`)
  const unknown = (await open('failed', `elsewhere ${known.public}`)).error
  t.match(unknown, { code: 'ERR_AUTH', message: /is not known: .*SHA256:.*ssh-keyscan -t/ })
  const changed = (await open('failed', `${line} ${keyPair().public}`)).error
  t.match(changed?.message, /HAS CHANGED.*known_hosts:1 has another/)
  const revoked = await open('failed', `${line} ${known.public}`, `@revoked * ${known.public}`)
  t.match(revoked.error?.message, /REVOKED/)
  t.notOk(
    server.tried.some((way) => way.startsWith('password')),
    'nothing is sent to a stranger',
  )
})

t.test('through a jump host, whose loss is the loss of all', async (t) => {
  const gate = await startSsh(t, { keys: [key.public] })
  const server = await startSsh(t, { keys: [key.public] })
  const [near] = withKey(t, gate).hops
  const [far] = withKey(t, server).hops
  if (near === undefined || far === undefined) throw new Error('no hops')
  const environment = await started(t, { type: 'ssh', hops: [near, far] })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const stream = await environment.dial({ host: '127.0.0.1', port: echo.port })
  const over = all(stream)
  gate.clients[0]?.end()
  t.match(await over, { end: 'ERR_DOWN' })
  await eventually(() => environment.state === 'down')
  await eventually(() => environment.state === 'up')
  t.equal(server.clients.length, 2)
})

t.test('ports of the server lead here, also after the connection was lost', async (t) => {
  const asked: number[] = []
  const server = await startSsh(t, {
    keys: [key.public],
    onForward: (port) => {
      asked.push(port)
      return port !== 9
    },
  })
  const environment = await started(t, withKey(t, server))
  const listener = await environment.listenTcp({ port: 8080 })
  listener.onConnection = (stream) => {
    stream.write(Buffer.from(`hello ${stream.remote.address}`))
    stream.end()
  }
  await t.rejects(environment.listenTcp({ port: 9 }), { code: 'ERR_DENIED' })
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      server.clients.at(-1)?.forwardOut('0.0.0.0', 8080, '192.0.2.7', 4000, (error, channel) => {
        if (error !== undefined) return reject(error)
        let text = ''
        channel.on('data', (b: Buffer) => {
          text += b
        })
        channel.on('end', () => {
          channel.end()
          resolve(text)
        })
      })
    })
  t.equal(await ask(), 'hello 192.0.2.7')
  server.clients[0]?.end()
  await eventually(() => environment.state === 'down')
  await eventually(() => environment.state === 'up')
  t.equal(await ask(), 'hello 192.0.2.7')
  t.same(asked, [8080, 9, 8080])
  listener.close()
  await t.rejects(ask())
})

t.test('a server that falls silent', async (t) => {
  const server = await startSsh(t, { keys: [key.public] })
  let pass = true
  const middle = createServer((near) => {
    const far = connect(server.port, '127.0.0.1')
    for (const socket of [near, far]) socket.on('error', () => {})
    near.on('data', (b) => pass && far.write(b))
    far.on('data', (b) => pass && near.write(b))
  })
  await new Promise<void>((resolve) => middle.listen(0, '127.0.0.1', resolve))
  t.teardown(() => middle.close())
  const { port } = middle.address() as { port: number }
  const known = server.known.replace(/:\d+/, `:${port}`)
  const keys = [{ file: 'id', text: key.private }]
  const environment = await started(
    t,
    sshOptions({
      port,
      knownHosts: [knownFile(t, known)],
      keys,
      aliveInterval: 0.05,
      aliveCount: 2,
    }),
  )
  pass = false
  await eventually(() => environment.state === 'down')
  t.match(environment.error?.message, /^server unreachable: no answer from/)
})

t.test('what is no SSH server', async (t) => {
  const web = await startServer(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const options = (port: number) => sshOptions({ port, knownHosts: [], password: 'x' })
  const environment = made(t, options(web.port))
  await environment.start()
  await eventually(() => environment.error !== undefined)
  t.match(environment.error?.message, /127\.0\.0\.1:\d+/)
  const nobody = made(t, options(1))
  await nobody.start()
  await eventually(() => nobody.error !== undefined)
  t.match(nobody.error?.message, /^server unreachable: .*ECONNREFUSED/)
})
