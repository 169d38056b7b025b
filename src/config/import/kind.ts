/** What kind of file somebody wants to import. */
import { parseIni } from '../ini.js'
import { isKeyfile, keyfileType } from '../keyfile.js'
import { vpnService } from './keyfile-lines.js'

export type FileKind =
  | { readonly kind: 'wireguard' | 'openvpn' | 'ssh'; readonly words: string }
  /** Known, but nothing that this version can use; `words` to follow "is". */
  | { readonly kind: 'keyfile-openvpn' | 'keyfile-openconnect'; readonly words: string }
  | { readonly kind: 'unsupported'; readonly words: string }
  | { readonly kind: 'unknown' }

const OPENVPN = /^\s*(client|remote\s+\S+|dev\s+(tun|tap)\S*|tls-client|<ca>)\s*(\s.*)?$/m

export function fileKind(text: string): FileKind {
  const keyfile = parseIni(text, '', false)
  if (isKeyfile(keyfile)) {
    const type = keyfileType(keyfile)
    if (type === 'wireguard') return { kind: 'wireguard', words: 'a NetworkManager keyfile' }
    if (type === 'vpn' && vpnService(keyfile) === 'openvpn') {
      return { kind: 'keyfile-openvpn', words: 'a NetworkManager keyfile for OpenVPN' }
    }
    if (type === 'vpn' && vpnService(keyfile) === 'openconnect') {
      return { kind: 'keyfile-openconnect', words: 'a NetworkManager keyfile for openconnect' }
    }
    return {
      kind: 'unsupported',
      words:
        'a NetworkManager keyfile of a type that is not supported: wireguard, openvpn and openconnect are',
    }
  }
  const names = parseIni(text, '', true).sections.map((section) => section.name.toLowerCase())
  if (names.includes('interface') || names.includes('peer')) {
    const plain = names.every((name) => name === 'interface' || name === 'peer')
    return { kind: 'wireguard', words: plain ? 'a wg-quick file' : 'a wireproxy file' }
  }
  if (/^\s*WGConfig\s*=/im.test(text)) {
    return {
      kind: 'unsupported',
      words: 'a wireproxy file whose keys stand in another file (WGConfig): import that one',
    }
  }
  if (OPENVPN.test(text)) {
    return { kind: 'openvpn', words: 'an OpenVPN file' }
  }
  if (/^\s*Host(\s+|\s*=\s*)\S/im.test(text)) return { kind: 'ssh', words: 'an ssh_config file' }
  return { kind: 'unknown' }
}
