/** The arguments of the installed openconnect: everybody on the machine can read them, so nothing secret is in them. */
import type { OpenconnectOptions } from '../../core/options.js'
import { ENGINE_RECONNECT } from './limits.js'

/** Without the script, which who runs the program adds. A password is the first line that it reads. */
export function engineArguments(options: OpenconnectOptions): readonly string[] {
  const { place, protocol, username, password, authgroup, tls, dtls } = options
  const { files = {}, pin } = tls
  const host = place.host.includes(':') ? `[${place.host}]` : place.host
  const given: readonly (readonly [string, string | undefined])[] = [
    ['user', username],
    ['authgroup', authgroup],
    ['cafile', files.ca],
    ['certificate', files.certificate],
    ['sslkey', files.key],
    ['servercert', pin === undefined ? undefined : `pin-sha256:${pin}`],
  ]
  return [
    `--protocol=${protocol}`,
    ...(password === undefined ? [] : ['--passwd-on-stdin']),
    '--no-proxy',
    `--reconnect-timeout=${ENGINE_RECONNECT}`,
    ...(dtls ? [] : ['--no-dtls']),
    ...(files.ca === undefined ? [] : ['--no-system-trust']),
    ...given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`])),
    '--script-tun',
    '--',
    `https://${host}:${place.port}${place.path}`,
  ]
}
