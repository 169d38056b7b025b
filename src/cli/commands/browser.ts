/** `pvpn browser`: a window whose every page comes through one environment. */
import { pathToFileURL } from 'node:url'
import { type Command, InvalidArgumentError } from 'commander'
import { environmentColor } from '../../core/environment-color.js'
import { PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import { planChromium } from '../browser/chromium.js'
import type { BrowserPlan, BrowserWish } from '../browser/contract.js'
import { planFirefox } from '../browser/firefox.js'
import { leaveRunning, waitFor } from '../browser/launch.js'
import { refuseManagedProxy } from '../browser/managed.js'
import {
  type BrowserFolder,
  browserFolder,
  browserOn,
  freshFolder,
  makeFolder,
  removeFolder,
  textOf,
  writeProfile,
  writeWhole,
} from '../browser/profile.js'
import { type BrowserProgram, findBrowser } from '../browser/programs.js'
import { startPage } from '../browser/start-page.js'
import { refuseOptions, splitName, splitWords } from '../browser/targets.js'
import { addExamples, type CommandContext } from '../command.js'
import { act } from '../control-commands.js'
import { connectAddress, environmentNames, lookUpProxy } from '../proxy-lookup.js'
import { describeFailure, oneLine } from '../report.js'

interface BrowserOptions {
  readonly browser?: string
  readonly fresh?: true
  readonly wait?: true
  readonly hostPort?: readonly number[]
  readonly print?: true
}

export function configure(command: Command, context: CommandContext): void {
  command
    .argument('[environment]', 'its name (default: each, in a window of its own)')
    .argument('[url...]', 'pages to open; after --, options for the browser')
    .option(
      '--browser <name>',
      'chromium, chrome, brave, edge, firefox, or a path (default: the first that is installed)',
    )
    .option('--fresh', 'with an empty profile that is removed when the browser ends (waits for it)')
    .option('--wait', 'wait until the browser ends, and show its messages')
    .option(
      '--host-port <port>',
      'let 127.0.0.1:PORT be the one of this machine (may be repeated)',
      hostPort,
    )
    .option('--print', 'print command line and profile, and start nothing')
  addExamples(command, [
    ['pvpn browser', 'a window on each environment'],
    ['pvpn browser office', 'a window on the office; it starts the environment where needed'],
    ['pvpn browser site http://192.168.11.10/', 'the same address in another network, beside it'],
    ['pvpn browser office --browser firefox', 'in Firefox'],
    ['pvpn browser office -- --incognito', 'with an option for the browser'],
  ])
  command.action(
    async (first: string | undefined, rest: readonly string[], options: BrowserOptions) => {
      const { name, words } = splitName(first, rest)
      const wanted = name === undefined ? await everyEnvironment() : [name]
      const done = await Promise.allSettled(wanted.map((each) => run(each, words, options)))
      const failed = done.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      // The other windows are open: each failure is told, and none of them ends the command.
      if (wanted.length === 1 && failed.length > 0) throw failed[0]
      for (const error of failed) {
        process.stderr.write(describeFailure(error, context.logLevel()))
      }
      if (done.some((one) => one.status === 'rejected' || !one.value)) context.setExitStatus(1)
    },
  )
}

/** Windows for every environment at once; with more of them one has to be named. */
const MOST_WINDOWS = 8

async function everyEnvironment(): Promise<readonly string[]> {
  const names = await environmentNames(undefined)
  if (names.length === 0) {
    throw new PvpnError('ERR_CONFIG', 'there is no environment to open a window on', {
      hint: '`pvpn import office.conf` makes one; then `pvpn up`',
    })
  }
  if (names.length <= MOST_WINDOWS) return names
  throw new PvpnError('ERR_CONFIG', `${names.length} environments are too many windows`, {
    hint: `name one: ${names.join(', ')}`,
  })
}

async function run(
  name: string,
  words: readonly string[],
  options: BrowserOptions,
): Promise<boolean> {
  const { urls, options: more } = splitWords(words)
  const program = findBrowser(options.browser)
  refuseOptions(more, program.family)
  const wishAt = async (folder: BrowserFolder): Promise<BrowserWish> => ({
    environment: name,
    color: environmentColor(name, await environmentNames(undefined)),
    proxy: await proxyPort(name),
    profile: folder.profile,
    startPage: pathToFileURL(folder.startPage).href,
    urls,
    hostPorts: options.hostPort ?? [],
    options: more,
  })
  const kept = browserFolder(name, program)
  if (options.print === true) {
    print(program, plan(program, await wishAt(kept)))
    return true
  }
  refuseManagedProxy(program)
  refuseRoot(program, more)
  refuseNoDisplay(more)
  await bringUp(name)
  const folder = options.fresh === true ? await freshFolder(kept) : kept
  try {
    const wish = await wishAt(folder)
    const planned = plan(program, wish)
    await prepare(folder, program, wish, planned)
    if (options.fresh === true || options.wait === true) return await waitFor(program, planned)
    await leaveRunning(program, planned)
    return true
  } finally {
    if (options.fresh === true) await removeFolder(folder)
  }
}

function plan(program: BrowserProgram, wish: BrowserWish): BrowserPlan {
  return program.family === 'chromium' ? planChromium(wish) : planFirefox(wish)
}

/** Starts it where that is needed, and waits until it is up. */
async function bringUp(name: string): Promise<void> {
  const { state, error } = await act(name, 'start')
  if (state === 'up') return
  const why = error === null ? '' : `: ${oneLine(error.message)}`
  throw new PvpnError('ERR_DOWN', `${name} is ${state}${why}`, {
    hint: `\`pvpn status\` shows how it goes; \`pvpn start ${name}\` tries again`,
  })
}

async function proxyPort(name: string): Promise<BrowserWish['proxy']> {
  const at = connectAddress((await lookUpProxy(name, undefined)).listen)
  if (at?.kind === 'tcp') return { host: at.address, port: at.port }
  if (at === undefined) {
    throw new PvpnError('ERR_DOWN', `"${name}" has no proxy port now`, {
      hint: 'give it `listen: ADDRESS:PORT`; with port 0 the gateway must run',
    })
  }
  throw new PvpnError(
    'ERR_UNSUPPORTED',
    `"${name}" listens on a Unix socket only, which browsers can't use`,
    { hint: 'give it a port too: listen: [127.0.0.1:1081, unix:PATH]' },
  )
}

/** Writes what the browser reads at its start; one that runs already must have been told the same. */
async function prepare(
  folder: BrowserFolder,
  { family }: BrowserProgram,
  wish: BrowserWish,
  { files }: BrowserPlan,
): Promise<void> {
  await makeFolder(folder.path)
  const proxy = formatHostPort(wish.proxy.host, wish.proxy.port)
  const told = JSON.stringify({ proxy, hostPorts: wish.hostPorts })
  const toldFile = `${folder.path}/pvpn.json`
  const running = await browserOn(folder.profile)
  if (running !== undefined) {
    if ((await textOf(toldFile)) === told) return
    throw new PvpnError(
      'ERR_CONFIG',
      `the browser of ${wish.environment} that runs (process ${running}) was started with another proxy port or --host-port`,
      { hint: 'close its windows first' },
    )
  }
  await writeProfile(folder.profile, files)
  const page = startPage(wish.environment, wish.color, proxy, family)
  await writeWhole(folder.startPage, page)
  await writeWhole(toldFile, told)
}

function refuseRoot({ family, path }: BrowserProgram, more: readonly string[]): void {
  if (family !== 'chromium' || process.getuid?.() !== 0 || more.includes('--no-sandbox')) return
  throw new PvpnError('ERR_UNSUPPORTED', `${path} does not run as root, where it has no sandbox`, {
    hint: 'run pvpn as your own user (it needs no root), or take --browser firefox',
  })
}

function refuseNoDisplay(more: readonly string[]): void {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env
  if (DISPLAY || WAYLAND_DISPLAY || more.some((option) => /^--?headless/.test(option))) return
  throw new PvpnError('ERR_UNSUPPORTED', 'there is no display to open a window on', {
    hint: 'run it in your desktop session (ssh: -X), or give the browser its option: -- --headless',
  })
}

function print({ path }: BrowserProgram, { args, files }: BrowserPlan): void {
  process.stdout.write(`${[path, ...args].map(shellWord).join(' ')}\n`)
  for (const { path: file, content } of files) {
    const text = typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`
    process.stdout.write(`\n# ${file}\n${text}`)
  }
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

function hostPort(text: string, before: readonly number[] = []): readonly number[] {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('a port is needed, 1 to 65535.')
  }
  return [...before, port]
}
