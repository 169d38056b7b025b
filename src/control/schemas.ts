/** JSON schemas of the API: they validate requests, serialise answers and describe both in openapi.json. */
import { WAIT_MOST } from './limits.js'

const text = { type: 'string' } as const
const count = { type: 'integer', minimum: 0 } as const
const texts = { type: 'array', items: text } as const
const textOrNull = { type: ['string', 'null'] } as const

const object = <P extends Record<string, object>>(properties: P) => ({
  type: 'object' as const,
  required: Object.keys(properties),
  properties,
})

const error = {
  anyOf: [object({ code: text, message: text }), { type: 'null' }],
}

export const environmentStatus = object({
  name: text,
  state: { type: 'string', enum: ['stopped', 'starting', 'up', 'down', 'failed'] },
  error,
  pid: { type: ['integer', 'null'] },
  tunnel: object({
    type: text,
    endpoint: textOrNull,
    since: textOrNull,
    lastHandshake: textOrNull,
    bytesIn: count,
    bytesOut: count,
  }),
  addresses: texts,
  mtu: { type: ['integer', 'null'] },
  dns: object({ servers: texts, search: texts }),
  listen: object({ proxy: texts, dns: texts }),
  connections: count,
})

export const gatewayStatus = object({
  version: text,
  pid: count,
  control: textOrNull,
  policy: textOrNull,
  environments: { type: 'array', items: environmentStatus },
})

const explanation = {
  target: text,
  environment: textOrNull,
  host: text,
  by: { type: 'string', enum: ['rule', 'name', 'default'] },
  rule: textOrNull,
  reason: textOrNull,
  consulted: {
    type: 'array',
    items: object({ environment: text, addresses: texts, rule: text }),
  },
}

export const policyExplanation = object(explanation)

export const policyDecisions = {
  type: 'array',
  items: object({
    at: text,
    took: { type: 'number' },
    client: text,
    program: textOrNull,
    user: textOrNull,
    ...explanation,
  }),
} as const

export const policyQuestion = {
  type: 'object',
  required: ['host', 'port'],
  additionalProperties: false,
  properties: {
    host: { type: 'string', minLength: 1, maxLength: 255 },
    port: { type: 'string', pattern: '^[0-9]{1,5}$' },
    program: { type: 'string', maxLength: 4096 },
    user: { type: 'string', maxLength: 256 },
  },
} as const

export const reloadReport = object({
  ok: { type: 'boolean' },
  problems: texts,
  warnings: texts,
  started: texts,
  restarted: texts,
  changed: texts,
  stopped: texts,
  unchanged: texts,
})

export const failure = object({
  error: {
    type: 'object',
    required: ['code', 'message'],
    properties: { code: text, message: text, known: texts },
  },
})

export const nameParameter = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,31}$' } },
} as const

export const actionBody = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    wait: {
      type: 'number',
      minimum: 0,
      maximum: WAIT_MOST,
      description: 'seconds to wait until the environment is up or says why not',
    },
  },
} as const

export const empty = { type: ['object', 'null'], additionalProperties: false } as const
