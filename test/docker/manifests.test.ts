/** docker/ as text: what the image, the compose file and the Kubernetes manifest promise. docker.test.ts in the lab runs them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { Folder, WG } from '../config/support.js'

const read = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8')

t.test(
  'Dockerfile: the last stage has no root, and the build no scripts of packages',
  async (t) => {
    const lines = read('docker/Dockerfile').split('\n')
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM')))
    t.equal(last.filter((line) => line.startsWith('USER')).at(-1), 'USER 1000:1000')
    t.ok(last.includes('ENTRYPOINT ["pvpn"]'), 'as a list: signals reach pvpn itself')
    t.ok(last.includes('CMD ["up"]'))
    t.ok(last.some((line) => /^HEALTHCHECK .*CMD \["pvpn", "status"/.test(line)))
    for (const line of lines.filter((text) => /npm (ci|install|prune)/.test(text))) {
      t.match(line, '--ignore-scripts')
    }
  },
)

t.test('.dockerignore lets in what the Dockerfile copies, and nothing more', async (t) => {
  const allowed = read('.dockerignore').match(/(?<=^!).+$/gm) ?? []
  const copied = read('docker/Dockerfile')
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(' ').slice(1, -1))
    .map((path) => path.split('/')[0] as string)
  t.same(new Set(allowed), new Set(copied))
})

interface Confined {
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
}

t.test(
  'compose.yaml: programs have no network but the internal one of their environment',
  async (t) => {
    const { services, networks, secrets } = parse(read('docker/compose.yaml'))
    const { listeners } = await example(t)
    for (const service of Object.values<Confined>(services)) {
      t.equal(service.read_only, true)
      t.same(service.cap_drop, ['ALL'])
      t.same(service.security_opt, ['no-new-privileges:true'])
    }
    for (const site of ['office', 'site']) {
      const program = services[`${site}-program`]
      t.same(program.networks, [site])
      t.same(program.secrets, [`${site}_password`])
      t.equal(networks[site].internal, true)
      t.equal(secrets[`${site}_password`].file, `./example/${site}.password`)
      const { ipv4_address: address } = services.gateway.networks[site]
      const port = site === 'office' ? 1081 : 1082
      t.same(listeners[site], [`${address}:${port}`], "bound to the gateway's address in there")
      t.match(program.entrypoint[2], `@${address}:${port}`)
      t.notOk('ports' in services.gateway, 'no port is published')
    }
  },
)

/** example/pvpn.yaml as pvpn reads it. */
async function example(t: Test) {
  const folder = new Folder(t)
  for (const site of ['office', 'site']) {
    folder.write(`${site}.conf`, WG)
    folder.write(`${site}.password`, 'x\n')
  }
  folder.write('pvpn.yaml', read('docker/example/pvpn.yaml'))
  const { options, problems, warnings } = await folder.load({ secrets: true })
  t.same([problems, warnings], [[], []], 'example/pvpn.yaml is right')
  const listeners: Record<string, readonly string[]> = {}
  for (const environment of options?.environments ?? []) {
    t.equal(environment.users.length, 1, 'off loopback with a password')
    listeners[environment.name] = environment.listen.map((at) =>
      at.kind === 'tcp' ? `${at.address}:${at.port}` : at.path,
    )
  }
  return { listeners }
}

t.test('kubernetes.yaml', async (t) => {
  const documents = parseAllDocuments(read('docker/kubernetes.yaml'))
  t.same(
    documents.flatMap((document) => document.errors),
    [],
  )
  const objects = documents.map((document) => document.toJS())
  const find = (kind: string) => objects.find((object) => object.kind === kind)
  t.same(
    objects.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
    ['v1 ConfigMap', 'v1 Secret', 'apps/v1 Deployment', 'networking.k8s.io/v1 NetworkPolicy'],
  )
  const { spec, metadata } = find('Deployment').spec.template

  await t.test('pod and containers are confined', async (t) => {
    t.equal(spec.securityContext.runAsNonRoot, true)
    t.same(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' })
    t.equal(spec.automountServiceAccountToken, false)
    for (const container of [...spec.initContainers, ...spec.containers]) {
      t.same(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
  })

  await t.test('the sidecar has its probes, and every mount its volume', async (t) => {
    const [sidecar] = spec.initContainers
    t.equal(sidecar.restartPolicy, 'Always')
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      t.equal(sidecar[probe].exec.command[0], 'pvpn')
      t.ok(sidecar[probe].timeoutSeconds >= 5, 'a Node program takes longer than the usual second')
    }
    const volumes = spec.volumes.map(({ name }: { name: string }) => name)
    for (const { name } of sidecar.volumeMounts) t.ok(volumes.includes(name))
  })

  await t.test('the configuration is right, and the program uses its port', async (t) => {
    const folder = new Folder(t)
    folder.write('office.conf', WG)
    folder.write('pvpn.yaml', find('ConfigMap').data['pvpn.yaml'], 0o644)
    const { options, problems, warnings } = await folder.load()
    t.same([problems, warnings], [[], []])
    const [listen] = options?.environments[0]?.listen ?? []
    t.match(listen, { kind: 'tcp', address: '127.0.0.1', port: 1081 })
    for (const { value } of spec.containers[0].env) t.match(value, '//127.0.0.1:1081')
  })

  await t.test('nothing leaves the pod but what goes to the VPN server', async (t) => {
    const policy = find('NetworkPolicy').spec
    t.same(policy.podSelector.matchLabels, metadata.labels)
    t.same(policy.policyTypes, ['Egress'])
    const [{ to, ports }] = policy.egress
    const endpoint = /^\s*Endpoint = (.+)$/m.exec(find('Secret').stringData['office.conf'])?.[1]
    t.equal(`${to[0].ipBlock.cidr.replace('/32', '')}:${ports[0].port}`, endpoint)
    t.equal(policy.egress.length, 1)
  })
})
