/** The XML documents of the login (`config-auth`, aggregate-auth version 2). */
import { serverWords } from './failure.js'
import { OC_FORM_FIELDS } from './limits.js'
import { escapeXml, findElement, formatXml, parseXml, type XmlElement } from './xml.js'

export interface FormChoice {
  /** What is sent. */
  readonly value: string
  /** What people read. */
  readonly label: string
  readonly selected: boolean
}

export interface FormField {
  readonly name: string
  /** `other`: a type of input that is not known here. */
  readonly kind: 'text' | 'password' | 'hidden' | 'choice' | 'other'
  /** The server's words for it. */
  readonly label: string
  readonly value: string
  readonly choices: readonly FormChoice[]
}

export interface Form {
  /** Reference to where the reply goes; empty: where the form came from. */
  readonly action: string
  readonly fields: readonly FormField[]
}

export type ServerMessage =
  | {
      readonly kind: 'request'
      readonly form: Form
      /** The server's words, fit for people. */
      readonly message: string
      /** The server calls it an error. */
      readonly error: string
      /** To be sent back as it is. */
      readonly opaque: string
    }
  /** Words, and nothing to fill in. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'complete'; readonly token: string | undefined; readonly message: string }
  /** A client certificate is wanted, and none was shown. */
  | { readonly kind: 'certificate' }
  | { readonly kind: 'unsupported'; readonly what: string }
  | { readonly kind: 'broken'; readonly why: string }

const KINDS: Readonly<Record<string, FormField['kind']>> = {
  text: 'text',
  password: 'password',
  hidden: 'hidden',
}

/** Nothing but buttons. */
const BUTTONS = new Set(['submit', 'reset', 'button'])

export function parseServerMessage(text: string): ServerMessage {
  const root = parseXml(text)
  if (root === undefined) return { kind: 'broken', why: 'an answer that is no XML' }
  if (root.name !== 'config-auth' && root.name !== 'auth') {
    return { kind: 'broken', why: 'XML of another protocol' }
  }
  const has = (name: string) => findElement(root, name) !== undefined
  if (has('client-cert-request') || has('cert-authenticated-request'))
    return { kind: 'certificate' }
  if (has('host-scan')) return { kind: 'unsupported', what: 'a host scan' }
  const auth = root.name === 'auth' ? root : findElement(root, 'auth')
  const form = findElement(root, 'form')
  if (form !== undefined) return request(root, form)
  if (has('sso-v2-login')) return { kind: 'unsupported', what: 'a login in a browser' }
  const token = findElement(root, 'session-token')?.text.trim()
  const complete = root.attributes.type === 'complete' || auth?.attributes.id === 'success'
  if (complete || token !== undefined) {
    return {
      kind: 'complete',
      token: token === '' ? undefined : token,
      message: words(root, 'banner'),
    }
  }
  const [message, error] = [words(root, 'message'), words(root, 'error')]
  if (message === '' && error === '') return { kind: 'broken', why: 'an answer without a form' }
  return { kind: 'refused', message: error || message }
}

function request(root: XmlElement, form: XmlElement): ServerMessage {
  const fields: FormField[] = []
  for (const element of form.children) {
    if (element.name !== 'input' && element.name !== 'select') continue
    const field = element.name === 'input' ? input(element) : select(element)
    if (field === undefined) continue
    if (field === 'sso') return { kind: 'unsupported', what: 'a login in a browser' }
    if (fields.length >= OC_FORM_FIELDS || field.choices.length > OC_FORM_FIELDS) {
      return { kind: 'broken', why: 'a form that is too long' }
    }
    fields.push(field)
  }
  const opaque = root.children.filter(({ name }) => name === 'opaque')
  return {
    kind: 'request',
    form: { action: form.attributes.action ?? '', fields },
    message: words(root, 'message'),
    error: words(root, 'error'),
    opaque: opaque.map(formatXml).join(''),
  }
}

function input({ attributes }: XmlElement): FormField | 'sso' | undefined {
  const { type = 'text', name = '', label = '', value = '' } = attributes
  if (BUTTONS.has(type)) return undefined
  if (type === 'sso') return 'sso'
  return { name, kind: KINDS[type] ?? 'other', label: labelOf(label), value, choices: [] }
}

function select({ attributes, children }: XmlElement): FormField {
  const choices = children
    .filter(({ name }) => name === 'option')
    .map((option) => ({
      value: option.attributes.value ?? option.text.trim(),
      label: serverWords(option.text),
      selected: option.attributes.selected === 'true' || option.attributes.selected === 'selected',
    }))
  const { name = '', label = '' } = attributes
  return { name, kind: 'choice', label: labelOf(label), value: '', choices }
}

const labelOf = (label: string) => serverWords(label).replace(/:$/, '')

/** The element's text, with its parameters put in (`%s`). */
function words(root: XmlElement, name: string): string {
  const element = findElement(root, name)
  if (element === undefined) return ''
  const { param1 = '', param2 = '' } = element.attributes
  const parameters = [param1, param2]
  return serverWords(element.text.replace(/%s/g, () => parameters.shift() ?? ''))
}

export interface InitMessage {
  readonly version: string
  /** `https://HOST/PATH` that is asked. */
  readonly access: string
  readonly group: string | undefined
  /** There is no client certificate to show. */
  readonly noCertificate: boolean
}

/** The first request. */
export function initMessage({ version, access, group, noCertificate }: InitMessage): string {
  const more = [
    `<group-access>${escapeXml(access)}</group-access>`,
    group === undefined ? '' : `<group-select>${escapeXml(group)}</group-select>`,
    noCertificate ? '<client-cert-fail/>' : '',
  ]
  return document('init', version, more.join(''))
}

export interface ReplyMessage {
  readonly version: string
  /** Names must be names of XML. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly group: string | undefined
  readonly opaque: string
}

export function replyMessage({ version, fields, group, opaque }: ReplyMessage): string {
  const inside = fields.map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`).join('')
  const chosen = group === undefined ? '' : `<group-select>${escapeXml(group)}</group-select>`
  return document('auth-reply', version, `${opaque}<auth>${inside}</auth>${chosen}`)
}

function document(type: string, version: string, inside: string): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<config-auth client="vpn" type="${type}" aggregate-auth-version="2">` +
    `<version who="vpn">${escapeXml(version)}</version>` +
    `<device-id>linux-64</device-id>${inside}</config-auth>`
  )
}
