/** `pvpn demo`: two networks with the same addresses on this machine, and a gateway that reaches both. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { PvpnError } from '../../core/errors.js'
import type { GatewayOptions, ListenAddress } from '../../core/options.js'
import { generateKeyPair } from '../../crypto/x25519.js'
import { standbyAnswer } from '../../gateway/standby-answer.js'
import { createLogger } from '../../io/logger.js'
import { systemRandom } from '../../io/random.js'
import { type RuntimeFolder, runtimeFolder } from '../../io/runtime-folder.js'
import { addExamples, type CommandContext } from '../command.js'
import { ownCommand } from '../demo/own-command.js'
import {
  demoEnvironment,
  demoGateway,
  SITE_NAMES,
  type SiteName,
  type SitePlan,
} from '../demo/plan.js'
import { freePort } from '../demo/ports.js'
import { type RunningSite, startSite } from '../demo/sites.js'
import { demoText } from '../demo/text.js'
import { ENVIRONMENT_MODULE } from '../environment-module.js'
import {
  type RunGatewayOptions,
  type RunningGateway,
  runGateway,
  untilSignalled,
} from '../run-gateway.js'
import { version } from '../version.js'

const FIRST_PROXY_PORT = 1081
const POLICY_PORT = 1080
const CONTROL_PORT = 1090
/** Milliseconds for both tunnels to come up; they need one round trip on loopback. */
const UP_LIMIT = 10_000

export function configure(command: Command, context: CommandContext): void {
  addExamples(command, [
    ['pvpn demo', 'two sites with the same addresses, until Ctrl-C'],
    ['curl -x socks5h://127.0.0.1:1081 http://192.168.11.10/', 'from a second shell: the office'],
    ['curl -x socks5h://127.0.0.1:1082 http://192.168.11.10/', 'the same address: the other site'],
  ])
  command.action(async () => {
    context.surviveBrokenPipe()
    const demo = new Demo(context)
    await demo.run()
    process.exit(0)
  })
}

class Demo {
  readonly #context: CommandContext
  readonly #logger
  readonly #sites: RunningSite[] = []
  #temporary: string | undefined

  constructor(context: CommandContext) {
    this.#context = context
    // The demo's own lines are what a person should read; the log is for trouble.
    this.#logger = createLogger({
      level: context.logLevel() === 'info' ? 'warn' : context.logLevel(),
    })
  }

  async run(): Promise<void> {
    process.on('exit', () => this.#cleanUp())
    const configuration = await this.#configuration()
    const up = upWatch(SITE_NAMES.length)
    const starting = this.#gateway(configuration, up.onEvent)
    const signalled = untilSignalled(starting, this.#logger)
    const running = await starting
    const came = await Promise.race([up.done, signalled.then(() => true)])
    if (!came) this.#logger.warn({}, 'the tunnels are not up yet; pvpn status says why')
    const ports = configuration.environments.map((e) => ({ name: e.name, port: portOf(e) }))
    const { control } = running
    const command = ownCommand(process.argv[1] ?? 'pvpn')
    const policy = portOf(configuration.policy)
    process.stdout.write(
      demoText({ environments: ports, policy, control, folder: this.#temporary, command }),
    )
    await signalled
    for (const site of this.#sites) site.stop()
  }

  /** Starts the sites; what they chose becomes the gateway's configuration. */
  async #configuration(): Promise<GatewayOptions> {
    const taken = new Set<number>()
    const ports: Record<string, number> = {}
    for (const [i, name] of SITE_NAMES.entries()) {
      const port = await freePort(FIRST_PROXY_PORT + i, taken)
      taken.add(port)
      ports[name] = port
    }
    const policy = await freePort(POLICY_PORT, taken)
    taken.add(policy)
    const control = await freePort(CONTROL_PORT, taken)
    const proxy = (name: SiteName) => `127.0.0.1:${ports[name]}`
    const environments = await Promise.all(
      SITE_NAMES.map(async (name, i) => {
        const [site, client] = [generateKeyPair(systemRandom), generateKeyPair(systemRandom)]
        const other = SITE_NAMES[1 - i] as SiteName
        const plan: SitePlan = {
          name,
          privateKey: site.privateKey,
          clientPublicKey: client.publicKey,
          proxy: proxy(name),
          other: { site: other, proxy: proxy(other) },
        }
        const running = await startSite(plan, (how) => this.#logger.error({}, how))
        this.#sites.push(running)
        const listen = onLoopback(ports[name] as number)
        return demoEnvironment(name, listen, client, site.publicKey, running.port)
      }),
    )
    return demoGateway(environments, onLoopback(control), onLoopback(policy))
  }

  /** In the usual runtime folder, so that `pvpn status` finds it; in one of its own when a gateway has that. */
  async #gateway(
    configuration: GatewayOptions,
    onEvent: NonNullable<RunGatewayOptions['onEvent']>,
  ): Promise<RunningGateway> {
    const start = (folder: RuntimeFolder) =>
      runGateway({
        configuration,
        load: async () => ({ options: configuration, problems: [], warnings: [] }),
        folder,
        version: version(),
        logger: this.#logger,
        logLevel: this.#context.logLevel() === 'info' ? 'warn' : this.#context.logLevel(),
        environmentModule: ENVIRONMENT_MODULE,
        standbyAnswer: standbyAnswer(this.#logger),
        onEvent,
      })
    try {
      return await start(runtimeFolder())
    } catch (error) {
      if (!(error instanceof PvpnError && error.code === 'ERR_DENIED')) throw error
      this.#temporary = mkdtempSync(join(tmpdir(), 'pvpn-demo-'))
      return await start(runtimeFolder({ PVPN_RUNTIME_DIR: this.#temporary }))
    }
  }

  #cleanUp(): void {
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true })
  }
}

/** Resolves true when so many environments were up, false after UP_LIMIT. */
function upWatch(wanted: number): {
  done: Promise<boolean>
  onEvent: NonNullable<RunGatewayOptions['onEvent']>
} {
  const up = new Set<string>()
  let settle: (came: boolean) => void = () => undefined
  const done = new Promise<boolean>((resolve) => {
    settle = resolve
  })
  const timer = setTimeout(() => settle(false), UP_LIMIT)
  return {
    done,
    onEvent(event) {
      if (event.kind !== 'state' || event.state !== 'up') return
      up.add(event.environment)
      if (up.size < wanted) return
      clearTimeout(timer)
      settle(true)
    },
  }
}

function onLoopback(port: number): ListenAddress {
  return { kind: 'tcp', address: '127.0.0.1', port }
}

function portOf(listener: { readonly listen: readonly ListenAddress[] } | undefined): number {
  const listen = listener?.listen[0]
  return listen?.kind === 'tcp' ? listen.port : 0
}
