/** Every command, in the order of `pvpn --help`. Loading this list loads no command. */
import type { CommandEntry } from './command.js'

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary:
      'two networks with the same addresses on this machine, to try; no configuration, no root',
    load: () => import('./commands/demo.js'),
  },
  {
    name: 'up',
    summary: 'run every environment of the configuration in the foreground',
    load: () => import('./commands/up.js'),
  },
  {
    name: 'check',
    summary: 'validate the configuration and print every problem',
    load: () => import('./commands/check.js'),
  },
  {
    name: 'import',
    summary: 'add an environment made of a WireGuard file to the configuration',
    load: () => import('./commands/import.js'),
  },
  {
    name: 'status',
    summary: 'show what runs',
    load: () => import('./commands/status.js'),
  },
  {
    name: 'start',
    summary: 'start one environment',
    load: () => import('./commands/start.js'),
  },
  {
    name: 'stop',
    summary: 'stop one environment',
    load: () => import('./commands/stop.js'),
  },
  {
    name: 'restart',
    summary: 'stop and start one environment',
    load: () => import('./commands/restart.js'),
  },
  {
    name: 'reload',
    summary: 'apply the changed configuration; unchanged environments are not touched',
    load: () => import('./commands/reload.js'),
  },
  {
    name: 'env',
    summary: 'print proxy variables for a shell: eval "$(pvpn env office)"',
    load: () => import('./commands/env.js'),
  },
  {
    name: 'browser',
    summary: 'open a browser window that is on one environment: pvpn browser office',
    load: () => import('./commands/browser.js'),
  },
  {
    name: 'nc',
    summary: 'connect standard input and output to a port inside an environment',
    load: () => import('./commands/nc.js'),
  },
  {
    name: 'explain',
    summary: 'show which environment the policy chooses for a target, and by which rule',
    load: () => import('./commands/explain.js'),
  },
  {
    name: 'pac',
    summary: 'print the proxy auto-configuration file for browsers, or what it says of a URL',
    load: () => import('./commands/pac.js'),
  },
  {
    name: 'browser-policy',
    summary: 'print settings that make a browser use the policy: chromium, firefox or foxyproxy',
    load: () => import('./commands/browser-policy.js'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    load: () => import('./commands/completion.js'),
  },
]
