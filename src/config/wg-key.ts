/** WireGuard keys as text: 32 bytes in base64. */

/** The key's bytes, or undefined. Strict: one spelling per key, as wg(8) has it. */
export function parseKey(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw480]=$/.test(text)) return undefined
  return Uint8Array.from(Buffer.from(text, 'base64'))
}
