/** Small XML documents as trees: bounded in size and depth, without DTD and so without entities of its own. */
import { SaxesParser } from 'saxes'
import { OC_XML_DEPTH, OC_XML_ELEMENTS } from './limits.js'

export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** Its own text, without that of the elements inside. */
  readonly text: string
}

interface Growing {
  readonly name: string
  readonly attributes: Record<string, string>
  readonly children: Growing[]
  text: string
}

class Refused extends Error {}

/** The root, or undefined when the text is not such a document. */
export function parseXml(text: string): XmlElement | undefined {
  const open: Growing[] = []
  let root: Growing | undefined
  let count = 0
  const parser = new SaxesParser()
  const refuse = () => {
    throw new Refused()
  }
  parser.on('error', refuse)
  parser.on('doctype', refuse)
  parser.on('opentag', ({ name, attributes }) => {
    if (++count > OC_XML_ELEMENTS || open.length >= OC_XML_DEPTH) refuse()
    const element: Growing = { name, attributes: { ...attributes }, children: [], text: '' }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  const more = (piece: string) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += piece
  }
  parser.on('text', more)
  parser.on('cdata', more)
  parser.on('closetag', () => {
    open.pop()
  })
  try {
    parser.write(text).close()
  } catch (thrown) {
    if (thrown instanceof Refused) return undefined
    throw thrown
  }
  return root
}

/** The first element of this name inside, at any depth. */
export function findElement(root: XmlElement, name: string): XmlElement | undefined {
  for (const child of root.children) {
    const found = child.name === name ? child : findElement(child, name)
    if (found !== undefined) return found
  }
  return undefined
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r\n\t]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** The element as text again; text of mixed content moves to the front. */
export function formatXml({ name, attributes, children, text }: XmlElement): string {
  const pairs = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
  const inside = children.map(formatXml).join('')
  return `<${name}${pairs.join('')}>${escapeXml(text.trim())}${inside}</${name}>`
}

/** Can this stand as an element's name, whoever wrote it? */
export function isXmlName(name: string): boolean {
  return /^[A-Za-z_][\w.-]{0,63}$/.test(name)
}
