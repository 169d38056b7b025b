/** What kind of key a text is, as far as that shows without opening it. */

export function isPrivateKey(text: string): boolean {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
}

/** One line of OpenSSH's form: `ssh-ed25519 AAAA… comment`. */
export function isPublicKey(text: string | undefined): boolean {
  return text !== undefined && /^[a-z0-9@.-]+ [A-Za-z0-9+/]{16,}=*(\s|$)/.test(text)
}

const MAGIC = 'openssh-key-v1\0'

/** Is a password needed? OpenSSH's format has the cipher's name behind its magic; PEM and PKCS#8 say it in words. */
export function isLocked(text: string): boolean {
  if (/ENCRYPTED/.test(text)) return true
  const [, body = ''] =
    /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text) ?? []
  const bytes = Buffer.from(body, 'base64')
  const at = MAGIC.length
  if (bytes.length < at + 4) return false
  const length = bytes.readUInt32BE(at)
  return bytes.toString('latin1', at + 4, Math.min(bytes.length, at + 4 + length)) !== 'none'
}
