/** The files that WireGuard's parameters come in: wg-quick, wireproxy (more sections), NetworkManager. */
import { parseIni } from './ini.js'
import { isKeyfile, keyfileToWgQuick } from './keyfile.js'
import { readWgQuick, type WireguardFile } from './wg-quick.js'

/** wireproxy's sections beside [Interface] and [Peer], in lower case. */
const WIREPROXY_SECTIONS: ReadonlySet<string> = new Set([
  'socks5',
  'http',
  'tcpclienttunnel',
  'tcpservertunnel',
  'udpproxytunnel',
  'stdiotunnel',
  'resolve',
])

/** Never throws. `others` of the result are wireproxy's sections. */
export function parseWireguardFile(text: string, file: string): WireguardFile {
  const keyfile = parseIni(text, file, false)
  if (isKeyfile(keyfile)) {
    const { ini, ignored } = keyfileToWgQuick(keyfile)
    const read = readWgQuick(ini, file)
    const directives = [...read.directives, ...ignored].sort((a, b) => a.line - b.line)
    return { ...read, directives }
  }
  return readWgQuick(parseIni(text, file, true), file, WIREPROXY_SECTIONS)
}
