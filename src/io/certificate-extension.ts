/** Looks for an extension of an X.509 certificate (RFC 5280 section 4.1), of which Node shows a few only. */

/** id-ce-keyUsage, 2.5.29.15, as DER has it. */
export const KEY_USAGE = Uint8Array.of(0x55, 0x1d, 0x0f)

const SEQUENCE = 0x30
const OBJECT_IDENTIFIER = 0x06
/** `[3] EXPLICIT` of TBSCertificate. */
const EXTENSIONS = 0xa3

interface Element {
  readonly tag: number
  readonly content: Uint8Array
  readonly size: number
}

/** `oid`: its content. False too for what is no certificate; never throws. */
export function hasExtension(certificate: Uint8Array, oid: Uint8Array): boolean {
  const signed = childrenOf(elementAt(certificate, 0))[0]
  const wrapped = childrenOf(signed).find(({ tag }) => tag === EXTENSIONS)
  const list = wrapped === undefined ? undefined : elementAt(wrapped.content, 0)
  return childrenOf(list).some((extension) => {
    const [id] = childrenOf(extension)
    return id?.tag === OBJECT_IDENTIFIER && Buffer.compare(id.content, oid) === 0
  })
}

/** Of a SEQUENCE. */
function childrenOf(element: Element | undefined): readonly Element[] {
  if (element?.tag !== SEQUENCE) return []
  const found: Element[] = []
  for (let at = 0; at < element.content.length; ) {
    const child = elementAt(element.content, at)
    if (child === undefined) break
    found.push(child)
    at += child.size
  }
  return found
}

/** Undefined: none begins there, or it is cut off. Tags of one byte, lengths of up to four. */
function elementAt(bytes: Uint8Array, at: number): Element | undefined {
  const [tag, first] = bytes.subarray(at, at + 2)
  if (tag === undefined || first === undefined) return undefined
  const long = first < 0x80 ? 0 : first & 0x7f
  if (long > 4) return undefined
  let length = long === 0 ? first & 0x7f : 0
  for (const byte of bytes.subarray(at + 2, at + 2 + long)) length = length * 256 + byte
  const start = at + 2 + long
  if (start + length > bytes.length) return undefined
  return { tag, content: bytes.subarray(start, start + length), size: 2 + long + length }
}
