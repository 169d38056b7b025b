/** Schemas of the API: they validate requests, serialise answers and describe both in openapi.json. */
import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { ANSWER_MOST, QUESTIONS_MOST } from '../core/limits.js'
import { FIELD_MOST, WAIT_MOST } from './limits.js'

const text = Type.String()
const count = Type.Integer({ minimum: 0 })
const texts = Type.Array(text)
/** JSON schema's short form of "this or null": fastify's serialiser takes it without a second look. */
const orNull = <T extends TSchema>({ type, ...schema }: T) =>
  Type.Unsafe<Static<T> | null>({ ...schema, type: [type, 'null'] })
const textOrNull = orNull(text)

export const environmentStatus = Type.Object({
  name: text,
  state: Type.Unsafe<'stopped' | 'starting' | 'up' | 'down' | 'failed'>({
    type: 'string',
    enum: ['stopped', 'starting', 'up', 'down', 'failed'],
  }),
  error: Type.Union([
    Type.Object({ code: text, message: text, hint: Type.Optional(text) }),
    Type.Null(),
  ]),
  asks: Type.Optional(
    Type.Array(
      Type.Object({
        field: text,
        label: text,
        secret: Type.Boolean(),
        once: Type.Boolean(),
        refused: Type.Boolean(),
        setting: Type.Optional(text),
        choices: Type.Optional(texts),
      }),
      { description: 'what `pvpn start` asks a person' },
    ),
  ),
  asksId: Type.Optional(
    Type.String({ description: 'of these questions: goes back with the answers' }),
  ),
  relaxed: Type.Optional(
    Type.Array(text, { description: 'checks that the configuration leaves out' }),
  ),
  pid: orNull(count),
  tunnel: Type.Object({
    type: text,
    endpoint: textOrNull,
    since: textOrNull,
    lastHandshake: textOrNull,
    bytesIn: count,
    bytesOut: count,
  }),
  addresses: texts,
  mtu: orNull(count),
  dns: Type.Object({ servers: texts, search: texts }),
  listen: Type.Object({ proxy: texts, dns: texts }),
  connections: count,
})

export const gatewayStatus = Type.Object({
  version: text,
  pid: count,
  control: textOrNull,
  policy: textOrNull,
  environments: Type.Array(environmentStatus),
})

export const environmentActivity = Type.Object({
  connections: Type.Array(
    Type.Object({
      id: count,
      program: textOrNull,
      user: textOrNull,
      protocol: textOrNull,
      target: textOrNull,
      age: Type.Integer({ minimum: 0, description: 'seconds' }),
      bytesOut: count,
      bytesIn: count,
    }),
    { description: 'the busiest, at most 100' },
  ),
  total: count,
  failures: Type.Array(
    Type.Object({
      at: text,
      code: text,
      message: text,
      target: textOrNull,
      hint: textOrNull,
      times: count,
    }),
    { description: 'the newest first' },
  ),
})

const explanation = Type.Object({
  target: text,
  environment: textOrNull,
  host: text,
  by: Type.Unsafe<'rule' | 'name' | 'default'>({
    type: 'string',
    enum: ['rule', 'name', 'default'],
  }),
  rule: textOrNull,
  reason: textOrNull,
  consulted: Type.Array(Type.Object({ environment: text, addresses: texts, rule: text })),
})

export const policyExplanation = explanation

export const policyDecisions = Type.Array(
  Type.Object({
    at: text,
    took: Type.Number({ description: 'milliseconds' }),
    client: text,
    program: textOrNull,
    user: textOrNull,
    ...explanation.properties,
  }),
)

export const policyQuestion = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255 }),
    port: Type.String({ pattern: '^[0-9]{1,5}$' }),
    program: Type.Optional(Type.String({ maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
)

export const reloadReport = Type.Object({
  ok: Type.Boolean(),
  problems: texts,
  warnings: texts,
  started: texts,
  restarted: texts,
  changed: texts,
  stopped: texts,
  unchanged: texts,
})

export const failure = Type.Object({
  error: Type.Object({ code: text, message: text, known: Type.Optional(texts) }),
})

const name = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' })
export const nameParameter = Type.Object({ name })

/** A body may be left out. */
const body = (properties: Record<string, TSchema>) =>
  Type.Unsafe<object | null>({
    ...Type.Object(properties, { additionalProperties: false }),
    type: ['object', 'null'],
  })

const wait = Type.Number({
  minimum: 0,
  maximum: WAIT_MOST,
  description: 'seconds to wait until the environment is up or says why not',
})

export const actionBody = body({ wait: Type.Optional(wait) })

export const answersBody = Type.Object(
  {
    asksId: Type.String({
      maxLength: FIELD_MOST,
      description: 'of the questions, from the status',
    }),
    answers: Type.Record(Type.String(), Type.String({ maxLength: ANSWER_MOST }), {
      maxProperties: QUESTIONS_MOST,
      propertyNames: { maxLength: FIELD_MOST },
      description: "by the question's field",
    }),
    wait: Type.Optional(wait),
  },
  { additionalProperties: false },
)

export const empty = body({})

export const eventsQuestion = Type.Object(
  {
    live: Type.Optional(
      Type.Unsafe<'true'>({
        type: 'string',
        enum: ['true'],
        description: 'the whole status every second',
      }),
    ),
    activity: Type.Optional(
      Type.String({ ...name, description: "this environment's activity too; needs the token" }),
    ),
  },
  { additionalProperties: false },
)

export const signIn = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)

export const session = Type.Object({
  signedIn: Type.Boolean({ description: 'may this browser change things and see connections?' }),
})
