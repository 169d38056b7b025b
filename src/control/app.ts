/** The control API as a fastify app: routes and their schemas. Servers are in server.ts. */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Action, Gateway, Policy, Said } from '../gateway/contract.js'
import type { GuardOptions } from './credentials.js'
import { EventStreams } from './event-stream.js'
import { guard } from './guard.js'
import { BODY_MOST } from './limits.js'
import type { Metrics } from './metrics.js'
import { ApiDescription } from './openapi.js'
import { ownerOnly } from './owner.js'
import { addPage } from './page.js'
import { addPolicy } from './policy-routes.js'
import * as schemas from './schemas.js'
import { addSession } from './session.js'

export interface ControlAppOptions {
  readonly gateway: Gateway
  readonly policy: Policy
  readonly version: string
  /** What guards the request's server; undefined: the control socket, whose folder only the owner can enter. */
  readonly guardOf: (request: FastifyRequest) => GuardOptions | undefined
}

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
}

const ACTIONS: readonly Action[] = ['start', 'stop', 'restart']

export async function controlApp(options: ControlAppOptions): Promise<FastifyInstance> {
  const { gateway, version } = options
  const app = Fastify({
    bodyLimit: BODY_MOST,
    exposeHeadRoutes: true,
    // A path that can't be decoded gets no further than this.
    frameworkErrors: (error, _request, reply) =>
      fail(
        reply.headers(HEADERS),
        error.statusCode ?? 400,
        'ERR_PROTOCOL',
        'the path is malformed',
      ),
    // Nothing that a request says is turned into something else, or silently left out.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  })
  const description = new ApiDescription()
  const events = new EventStreams(gateway)
  app.addHook('onRoute', description.add)
  app.addHook('onClose', () => events.close())
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    const guarded = options.guardOf(request)
    if (guarded === undefined) return
    const { method, headers } = request
    const refusal = guard({ method, headers, path: pathOf(request) }, guarded)
    if (refusal === undefined) return
    // What is left of a refused request's body is not read.
    reply.header('connection', 'close')
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="pvpn"')
    return fail(reply, refusal.status, refusal.code, refusal.message)
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    return status < 500
      ? fail(reply, status, 'ERR_PROTOCOL', error.message)
      : fail(reply, status, 'ERR_INTERNAL', 'the gateway failed to answer')
  })
  app.setNotFoundHandler((_request, reply) => fail(reply, 404, 'ERR_NAME', 'no such page'))
  addEnvironments(app, options)
  addActivity(app, options)
  addProbes(app, gateway)
  addPage(app, options)
  addPolicy(app, options)
  addSession(app, options.guardOf)
  addEvents(app, options, events)
  app.get('/api/v1/openapi.json', async () => description.render(version))

  let metrics: Promise<Metrics> | undefined
  app.get('/metrics', async (_request, reply) => {
    metrics ??= import('./metrics.js').then((module) => module.createMetrics(options))
    const { contentType, render } = await metrics
    return reply.type(contentType).send(await render())
  })
  await app.ready()
  return app
}

function unknown(reply: FastifyReply, gateway: Gateway, name: string): FastifyReply {
  const error = { code: 'ERR_NAME', message: `no environment ${name}`, known: [...gateway.names] }
  return reply.code(404).send({ error })
}

function addEnvironments(app: FastifyInstance, options: ControlAppOptions): void {
  const { gateway } = options
  app.get(
    '/api/v1/environments',
    {
      schema: {
        summary: 'The gateway and all environments',
        response: { 200: schemas.gatewayStatus },
      },
    },
    () => gateway.status(),
  )
  app.get<{ Params: { name: string } }>(
    '/api/v1/environments/:name',
    {
      schema: {
        summary: 'One environment',
        params: schemas.nameParameter,
        response: { 200: schemas.environmentStatus, 404: schemas.failure },
      },
    },
    async (request, reply) =>
      (await gateway.environment(request.params.name)) ??
      unknown(reply, gateway, request.params.name),
  )
  for (const action of ACTIONS) {
    app.post<{ Params: { name: string }; Body: { wait?: number } | null }>(
      `/api/v1/environments/:name/${action}`,
      {
        schema: {
          summary: `${action} one environment`,
          params: schemas.nameParameter,
          body: schemas.actionBody,
          response: { 200: schemas.environmentStatus, 404: schemas.failure },
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const wait = (request.body?.wait ?? 0) * 1000
        return (await gateway.act(name, action, wait)) ?? unknown(reply, gateway, name)
      },
    )
  }
  addAnswers(app, options)
  app.post(
    '/api/v1/reload',
    {
      schema: {
        summary: 'Read the configuration again; unchanged environments are not touched',
        body: schemas.empty,
        response: { 200: schemas.reloadReport, 422: schemas.reloadReport },
      },
    },
    async (_request, reply) => {
      const report = await gateway.reload()
      return reply.code(report.ok ? 200 : 422).send(report)
    },
  )
}

/** Passwords come by the control socket alone, never over a port, whoever asks. */
function addAnswers(app: FastifyInstance, { gateway, guardOf }: ControlAppOptions): void {
  app.post<{ Params: { name: string }; Body: Said & { wait?: number } }>(
    '/api/v1/environments/:name/answers',
    {
      onRequest: async (request, reply) => {
        if (guardOf(request) === undefined) return
        const message = 'answers are taken by the control socket alone: pvpn start ENV'
        return fail(reply.header('connection', 'close'), 403, 'ERR_DENIED', message)
      },
      schema: {
        summary: 'Answer what an environment asks (its `asks`); by the control socket alone',
        params: schemas.nameParameter,
        body: schemas.answersBody,
        response: {
          200: schemas.environmentStatus,
          403: schemas.failure,
          404: schemas.failure,
          409: schemas.failure,
        },
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const { asksId, answers, wait = 0 } = request.body
      const status = await gateway.answer(name, { asksId, answers }, wait * 1000)
      if (status !== 'stale') return status ?? unknown(reply, gateway, name)
      return fail(reply, 409, 'ERR_DENIED', 'these questions are not asked any more: look anew')
    },
  )
}

/** Who talks to whom is the owner's to know. */
function addActivity(app: FastifyInstance, { gateway, guardOf }: ControlAppOptions): void {
  app.get<{ Params: { name: string } }>(
    '/api/v1/environments/:name/activity',
    {
      onRequest: ownerOnly(guardOf),
      schema: {
        summary: 'Open connections of one environment, and what failed last; needs the token',
        params: schemas.nameParameter,
        response: { 200: schemas.environmentActivity, 401: schemas.failure, 404: schemas.failure },
      },
    },
    async (request, reply) => {
      const { name } = request.params
      return (await gateway.activity(name)) ?? unknown(reply, gateway, name)
    },
  )
}

function addEvents(
  app: FastifyInstance,
  { guardOf }: ControlAppOptions,
  events: EventStreams,
): void {
  const needsToken = ownerOnly(guardOf)
  app.get<{ Querystring: { live?: 'true'; activity?: string } }>(
    '/api/v1/events',
    {
      schema: {
        summary: 'The status, state changes and reloads, as server-sent events',
        querystring: schemas.eventsQuestion,
      },
      exposeHeadRoute: false,
      preHandler: async (request, reply) =>
        request.query.activity === undefined ? undefined : needsToken(request, reply),
    },
    async (request, reply) => {
      const { live, activity } = request.query
      reply.hijack()
      if (await events.add(reply.raw, HEADERS, { live: live !== undefined, activity })) return
      reply.raw.writeHead(503, { ...HEADERS, 'retry-after': '5' }).end()
    },
  )
}

function addProbes(app: FastifyInstance, gateway: Gateway): void {
  app.get('/healthz', async (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', async (_request, reply) =>
    reply
      .code(gateway.ready ? 200 : 503)
      .type('text/plain')
      .send(gateway.ready ? 'ready\n' : 'not ready\n'),
  )
}

function pathOf(request: FastifyRequest): string {
  return request.url.replace(/[?#].*$/s, '')
}

function fail(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ error: { code, message } })
}
