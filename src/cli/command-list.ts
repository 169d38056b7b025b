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
    name: 'import',
    summary: 'add an environment to the configuration, made of a WireGuard or OpenVPN file',
    load: () => import('./commands/import.js'),
  },
  {
    name: 'up',
    summary: 'run every environment of the configuration, until Ctrl-C',
    load: () => import('./commands/up.js'),
  },
  {
    name: 'check',
    summary: 'read the configuration and print every problem, with line and column',
    load: () => import('./commands/check.js'),
  },
  {
    name: 'status',
    summary: 'show what runs: state, ports, peer, last handshake, bytes',
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
    name: 'browser',
    summary: 'open a browser window on one environment, or on each: all its pages come through it',
    load: () => import('./commands/browser.js'),
  },
  {
    name: 'dashboard',
    summary: 'print the address of the dashboard, which signs the browser in',
    load: () => import('./commands/dashboard.js'),
  },
  {
    name: 'env',
    summary: 'print proxy variables for a shell: eval "$(pvpn env office)"',
    load: () => import('./commands/env.js'),
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
