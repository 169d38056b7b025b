/**
 * docker/ for real: the image is built from its Dockerfile, runs as any user on a read-only root without
 * a capability, and the compose file's and the Kubernetes manifest's programs reach their networks and
 * nothing else. Not tested here: Docker's and Kubernetes' own daemons; podman stands in for them.
 */
import { chownSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments, stringify } from 'yaml'
import {
  ContainerEngine,
  containersSkip,
  type NamespacedEngine,
} from '../support/container-engine.js'
import { eventually } from '../support/namespace.js'
import { LAB_PROGRAMS, TUNNEL, VpnLab, WEB } from '../support/vpn-lab.js'

const DOCKER = fileURLToPath(new URL('../../../docker', import.meta.url))
const IMAGE = 'localhost/pvpn:latest'
/** Whatever has curl. */
const PROGRAM = 'localhost/full:latest'
/** In the namespace's own /run. */
const SOCKET = 'unix:///run/podman.sock'
/** Whose files a user of docker/ has; not a user of the image. */
const USER = 1234
const SITES = ['office', 'site'] as const
const GATEWAYS = { office: '10.111.81.2:1081', site: '10.111.82.2:1082' }
const PAGES = {
  office: `office ${WEB} ${TUNNEL} ${WEB}\n`,
  site: `site ${WEB} ${TUNNEL} ${WEB}\n`,
}

// The base images are made once, and the build fetches packages: longer than the runner's usual patience.
t.setTimeout(1_500_000)
t.test(
  'docker/',
  { skip: containersSkip('docker-compose', ...LAB_PROGRAMS), timeout: 1_400_000 },
  async (t) => {
    const engine = await ContainerEngine.create()
    t.teardown(() => engine.destroy())
    const begun = Date.now()
    await engine.build(IMAGE)
    t.comment(`built in ${Math.round((Date.now() - begun) / 1000)} s`)
    const lab = await VpnLab.create()
    const inside = await engine.enter(lab.client)
    t.teardown(async () => {
      await inside.leave()
      await lab.destroy()
    })

    await t.test('the image: what is in it', async (t) => {
      const look = async (script: string) =>
        await inside.podman('run', '--rm', '--network=none', '--entrypoint=sh', IMAGE, '-c', script)
      const native = await look('ls /opt/pvpn/build/native')
      const built = ['accel.node', 'libpvpn-preload.so', 'pvpn-tun-relay', 'pvpn-wrap']
      t.same(native.trim().split('\n'), built)
      t.match(await look('ls /opt/pvpn/build/bundle/pvpn'), /^main\.js$/m, 'the quick form')
      t.equal(await look('for p in cc g++ npm; do command -v $p; done; true'), '')
      const modules = (await look('ls /opt/pvpn/node_modules')).trim().split('\n')
      t.ok(modules.includes('fastify'))
      t.notOk(modules.includes('typescript') || modules.includes('tap'))
      t.equal(await look('find / -xdev -perm /6000 -path "/opt/*"; find /opt -user 1000'), '')
      t.match(await inside.podman('run', '--rm', '--network=none', IMAGE, '--version'), /^\d+\.\d+/)
      const none = await inside.run(['podman', 'run', '--rm', '--network=none', IMAGE])
      t.equal(none.code, 2, 'without a configuration it says so')
      t.match(none.stderr, '/etc/pvpn/pvpn.yaml')
    })

    await t.test('import into the mounted folder, as a user would', async (t) => {
      const folder = join(lab.folder, 'imported')
      cpSync(lab.files.office, join(folder, 'given/office.conf'))
      for (const path of [folder, join(folder, 'given'), join(folder, 'given/office.conf')]) {
        chownSync(path, USER, USER)
      }
      const given = ['--volume', `${folder}:/etc/pvpn`, '--workdir', '/etc/pvpn']
      const user = ['--user', `${USER}:${USER}`, '--read-only', '--cap-drop=ALL']
      const args = ['run', '--rm', '--network=none', ...user, ...given, IMAGE]
      t.match(await inside.podman(...args, 'import', 'given/office.conf'), /"office" listens on/)
      t.match(readFileSync(join(folder, 'pvpn.yaml'), 'utf8'), /file: office.conf/)
    })

    await t.test('compose.yaml', async (t) => await compose(t, lab, inside))
    await t.test('kubernetes.yaml', async (t) => await sidecar(t, lab, inside))
  },
)

/** docker-compose on the compose file as it is, but for the images' names and what podman needs. */
async function compose(t: Test, lab: VpnLab, inside: NamespacedEngine): Promise<void> {
  const folder = join(lab.folder, 'docker')
  cpSync(DOCKER, folder, { recursive: true })
  for (const site of SITES) {
    cpSync(lab.files[site], join(folder, `example/${site}.conf`))
    writeFileSync(join(folder, `example/${site}.password`), `secret-of-${site}\n`, { mode: 0o600 })
    for (const kind of ['conf', 'password']) {
      chownSync(join(folder, `example/${site}.${kind}`), USER, USER)
    }
  }
  writeFileSync(join(folder, 'compose.yaml'), forPodman(join(folder, 'compose.yaml')))
  inside.serve(SOCKET)
  await inside.podman('tag', IMAGE, 'docker.io/library/pvpn:latest')
  const env = {
    DOCKER_HOST: SOCKET,
    PVPN_USER: `${USER}:${USER}`,
    PROGRAM_IMAGE: PROGRAM,
    COMPOSE_PROJECT_NAME: 'example',
  }
  const docker = async (...args: string[]) =>
    await inside.run(['docker-compose', '-f', join(folder, 'compose.yaml'), ...args], env)
  const answers = async () => (await inside.run(['podman', '--url', SOCKET, 'version'])).code === 0
  t.ok(await eventually(answers), "Docker's API is served")
  const started = await docker('up', '-d', '--no-build', 'gateway')
  t.equal(started.code, 0, started.stderr)
  // podman leaves the image's health check to systemd's timers, of which there are none here.
  const healthy = async () =>
    (await inside.run(['podman', 'healthcheck', 'run', 'example_gateway_1'])).code === 0
  t.ok(await eventually(healthy, 30_000), 'the health check says when the environments are up')

  await t.test('the gateway has no right that it does not need', async (t) => {
    const exec = ['exec', 'example_gateway_1', 'sh', '-c']
    const status = await inside.podman(...exec, 'cat /proc/1/status')
    t.match(status, new RegExp(`^Uid:\\s+${USER}\\s`, 'm'))
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) {
      t.match(status, new RegExp(`^Cap${set}:\\s+0+$`, 'm'))
    }
    t.match(status, /^NoNewPrivs:\s+1$/m)
    t.match(status, /^Seccomp:\s+2$/m)
    const write = await inside.run(['podman', ...exec, 'touch /etc/pvpn/x /opt/pvpn/x /x'])
    t.equal(write.stderr.match(/Read-only file system/g)?.length, 3)
    const logs = await inside.run(['podman', 'logs', 'example_gateway_1'])
    t.match(logs.stdout, /^office\s+up/m)
    t.notMatch(logs.stdout + logs.stderr, /secret-of|others can read/)
  })

  await t.test('each program reaches its own network', async (t) => {
    const up = await docker('up', '-d', '--no-build')
    t.equal(up.code, 0, up.stderr)
    for (const site of SITES) {
      const name = `example_${site}-program_1`
      t.equal((await inside.podman('wait', name)).trim(), '0')
      t.equal((await inside.run(['podman', 'logs', name])).stdout, PAGES[site])
    }
  })

  await t.test('… and nothing else', async (t) => {
    const from = async (site: 'office' | 'site', ...curl: string[]) => {
      const all = ['run', '--rm', '--cap-drop=ALL', `--network=example_${site}`, PROGRAM]
      return await inside.run(['podman', ...all, 'curl', '-sS', '-m', '4', ...curl])
    }
    const proxy = (site: 'office' | 'site', user: 'office' | 'site') =>
      `socks5h://${user}:secret-of-${user}@${GATEWAYS[site]}`
    const page = `http://${WEB}/`
    // Whatever else the machine does: only what must fail may run out of time.
    const own = await from('office', '-m', '60', '-x', proxy('office', 'office'), page)
    t.equal(own.stdout, PAGES.office, `the way that is meant: ${own.stderr}`)
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['straight to the address', [page]],
      ['to the VPN server', ['http://203.0.113.2/']],
      ["by the other's proxy", ['-x', proxy('site', 'site'), page]],
      ["the other's port", ['-x', 'socks5h://site:secret-of-site@10.111.81.2:1082', page]],
      ["with the other's password", ['-x', proxy('office', 'site'), page]],
      ['without a password', ['-x', `socks5h://${GATEWAYS.office}`, page]],
      ["the gateway's control port", ['http://10.111.81.2:1090/healthz']],
      ["a name of the other's", ['-x', proxy('office', 'office'), 'http://www.site.example/']],
    ]
    const results = await Promise.all(cases.map(async ([, args]) => await from('office', ...args)))
    for (const [index, { code, stdout }] of results.entries()) {
      const [name] = cases[index] as (typeof cases)[number]
      t.equal(stdout, '', name)
      // Not: bad usage, or no such program.
      t.ok([5, 6, 7, 28, 97].includes(code as number), `${name}: curl says ${code}`)
    }
  })

  await t.test('it stops in good order', async (t) => {
    await inside.podman('stop', '--time', '8', 'example_gateway_1')
    const state = await inside.podman('inspect', '-f', '{{.State.ExitCode}}', 'example_gateway_1')
    t.equal(state.trim(), '0')
    const down = await docker('down')
    t.equal(down.code, 0, down.stderr)
  })
}

/**
 * The compose file with what podman's service needs, and else unchanged: it names its address allotment
 * (docker-compose takes a network for a changed one otherwise), and asks for limits above the machine's.
 */
function forPodman(file: string): string {
  const compose = parse(readFileSync(file, 'utf8'))
  for (const service of Object.values<Record<string, unknown>>(compose.services)) {
    service.ulimits = { nofile: 1024, nproc: 1024 }
  }
  for (const site of SITES) compose.networks[site].ipam.options = { driver: 'host-local' }
  return stringify(compose)
}

interface Container {
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value: string }[]
  readonly [probe: `${string}Probe`]: { readonly exec: { readonly command: readonly string[] } }
}

/** What the kubelet would do with the manifest's pod, by podman: the lab's client is the pod's network. */
async function sidecar(t: Test, lab: VpnLab, inside: NamespacedEngine): Promise<void> {
  const documents = parseAllDocuments(readFileSync(join(DOCKER, 'kubernetes.yaml'), 'utf8'))
  const objects = documents.map((document) => document.toJS())
  const find = (kind: string) => objects.find((object) => object.kind === kind)
  const { spec } = find('Deployment').spec.template
  const [gateway, program]: [Container, Container] = [spec.initContainers[0], spec.containers[0]]
  const { runAsUser, fsGroup } = spec.securityContext

  const folder = join(lab.folder, 'projected')
  cpSync(lab.files.office, join(folder, 'office.conf'))
  writeFileSync(join(folder, 'pvpn.yaml'), find('ConfigMap').data['pvpn.yaml'])
  // As the kubelet gives them: root's, for the group fsGroup.
  const give = ['chown', `0:${fsGroup}`, join(folder, 'office.conf'), join(folder, 'pvpn.yaml')]
  await lab.client.check(give)
  await lab.client.check(['sh', '-c', `chmod 0440 ${folder}/*`])

  const confined = [
    `--user=${runAsUser}:${runAsUser}`,
    `--group-add=${fsGroup}`,
    '--network=host',
    '--read-only',
    '--read-only-tmpfs=false',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
  ]
  const mounts = [`--volume=${folder}:/etc/pvpn:ro`, '--tmpfs=/tmp:size=16m,mode=0777']
  await inside.podman('run', '--detach', '--name=sidecar', ...confined, ...mounts, IMAGE)
  const probe = async (name: 'startup' | 'readiness' | 'liveness') =>
    (
      await inside.run([
        'podman',
        'exec',
        'sidecar',
        ...(gateway[`${name}Probe`]?.exec.command ?? []),
      ])
    ).code
  t.ok(await eventually(async () => (await probe('startup')) === 0, 20_000), 'started')
  t.equal(await probe('readiness'), 0)
  t.equal(await probe('liveness'), 0)

  const env = (program.env ?? []).map(({ name, value }) => `--env=${name}=${value}`)
  const argv = [...(program.command ?? []), ...(program.args ?? [])]
  const detached = ['run', '--detach', '--name=program', ...confined, ...env, PROGRAM, ...argv]
  await inside.podman(...detached)
  const logs = async () => (await inside.run(['podman', 'logs', 'program'])).stdout
  t.ok(await eventually(async () => (await logs()) !== ''), 'the program prints a page')
  t.equal(await logs(), PAGES.office)

  const said = await inside.run(['podman', 'logs', 'sidecar'])
  t.notMatch(said.stderr, /others can read/, 'files that fsGroup gives to us alone earn no warning')
  await lab.cut('office', true)
  lab.wireguard.get('office')?.kill()
  const unready = async () => (await probe('readiness')) === 1
  // Not answered any more: it says so by its status.
  await inside.run(['podman', 'exec', 'sidecar', 'pvpn', 'restart', 'office'])
  t.ok(await eventually(unready), 'not ready while the environment is down …')
  t.equal(await probe('liveness'), 0, '… which is no reason to start the gateway again')
}

t.test('the compose file is valid', { skip: containersSkip('docker-compose') }, async (t) => {
  const { execFileSync } = await import('node:child_process')
  const shown = execFileSync('docker-compose', ['-f', join(DOCKER, 'compose.yaml'), 'config'], {
    encoding: 'utf8',
  })
  t.same(Object.keys(parse(shown).services).sort(), ['gateway', 'office-program', 'site-program'])
})
