/** Puts a gateway together: runtime folder, lock, supervisor, control API; `pvpn up` and the demo run it. */
import type { ControlServer } from '../control/server.js'
import type { Logger, LogLevel } from '../core/log.js'
import type { GatewayOptions } from '../core/options.js'
import type {
  Gateway,
  GatewayEvent,
  LoadedConfiguration,
  ReloadReport,
  StandbyAnswer,
} from '../gateway/contract.js'
import { GATEWAY_STOP_MOST } from '../gateway/limits.js'
import { PolicyPort } from '../gateway/policy-port.js'
import { Supervisor } from '../gateway/supervisor.js'
import type { Timings } from '../gateway/timings.js'
import { takeGatewayLock } from '../io/gateway-lock.js'
import {
  makeRuntimeFolder,
  type RuntimeFolder,
  removeFile,
  writeToken,
} from '../io/runtime-folder.js'
import { accelProblem, suppressCoreFiles } from '../native/accel.js'

export interface RunGatewayOptions {
  readonly configuration: GatewayOptions
  /** Reads the configuration anew, for `reload`. */
  readonly load: () => Promise<LoadedConfiguration>
  readonly folder: RuntimeFolder
  readonly version: string
  readonly logger: Logger
  readonly logLevel: LogLevel
  /** The module that each environment's process runs. */
  readonly environmentModule: string
  readonly standbyAnswer: StandbyAnswer
  /** From the first change of state on. */
  readonly onEvent?: (event: GatewayEvent) => void
  readonly timings?: Partial<Timings>
}

export interface RunningGateway {
  readonly gateway: Gateway
  /** `address:port` of the control port; null when it is off or could not be had. */
  readonly control: string | null
  /** Likewise of the policy port; null when there is none. */
  readonly policy: string | null
  reload(): Promise<ReloadReport>
  /** Stops every environment and takes the runtime files away; within 5 s. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts everything and resolves once the control socket answers; environments come up on their own.
 * ERR_DENIED when a gateway runs already in the folder, ERR_CONFIG when the folder can't be used.
 */
export async function runGateway(options: RunGatewayOptions): Promise<RunningGateway> {
  const { folder, logger } = options
  await makeRuntimeFolder(folder)
  const lock = await takeGatewayLock(folder)
  const slower = accelProblem()
  if (slower !== undefined) logger.info({}, slower)
  suppressCoreFiles()
  let control: ControlServer | undefined
  const supervisor: Supervisor = new Supervisor({
    ...options,
    module: options.environmentModule,
    listening: () => ({ control: control?.listening ?? null, policy: policy.listening }),
    onReload: (configuration) => listen(configuration),
  })
  const policy = new PolicyPort(supervisor, logger)
  const listen = async (configuration: GatewayOptions): Promise<readonly string[]> => {
    const problems = await policy.configure(configuration)
    try {
      await control?.listen(configuration.control.listen)
      return problems
    } catch (error) {
      return [...problems, `${(error as Error).message}; the commands work all the same`]
    }
  }
  const stop = async () => {
    await Promise.all([supervisor.stop(), policy.close(), control?.close()])
    await removeFile(folder.token)
    await lock.release()
  }
  try {
    if (options.onEvent !== undefined) supervisor.listen(options.onEvent)
    supervisor.start()
    // The web framework loads while the processes start.
    const [module, token] = await Promise.all([
      import('../control/server.js'),
      writeToken(folder),
      // What fails is tried again, and told, below.
      policy.configure(options.configuration),
    ])
    control = await module.ControlServer.open({
      gateway: supervisor,
      policy,
      version: options.version,
      token,
      socket: folder.controlSocket,
    })
    for (const warning of await listen(options.configuration)) logger.warn({}, warning)
  } catch (error) {
    await stop()
    throw error
  }
  let stopping: Promise<void> | undefined
  return {
    gateway: supervisor,
    get control() {
      return control?.listening ?? null
    },
    get policy() {
      return policy.listening
    },
    reload: () => supervisor.reload(),
    stop() {
      stopping ??= Promise.race([
        stop(),
        new Promise<void>((resolve) => setTimeout(resolve, GATEWAY_STOP_MOST).unref()),
      ])
      return stopping
    },
  }
}

/**
 * SIGHUP reloads. Resolves when SIGTERM or SIGINT came, from now on, and everything has stopped; a
 * second one stops waiting. Rejects when the gateway does not start.
 */
export function untilSignalled(starting: Promise<RunningGateway>, logger: Logger): Promise<void> {
  process.on('SIGHUP', () => {
    starting
      .then((running) => running.reload())
      .then(
        (report) => logReload(report, logger),
        (error: Error) => logger.error({}, `reload failed: ${error.message}`),
      )
  })
  return new Promise((resolve, reject) => {
    let signals = 0
    const stop = () => {
      if (++signals > 1) resolve()
      else starting.then((running) => running.stop()).then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    starting.catch(reject)
  })
}

function logReload(report: ReloadReport, logger: Logger): void {
  for (const problem of report.problems) logger.error({}, problem)
  for (const warning of report.warnings) logger.warn({}, warning)
  if (!report.ok) {
    logger.error({}, 'the new configuration has problems: everything runs on as before')
    return
  }
  const { started, restarted, stopped, unchanged } = report
  logger.info({ started, restarted, stopped, unchanged }, 'reloaded')
}
