/** Signing in to the dashboard: the token is given once and becomes a cookie that scripts can't read. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cookieName, cookieValue, type GuardOptions, isOwner, sameText } from './credentials.js'
import { COOKIE_AGE } from './limits.js'
import * as schemas from './schemas.js'

const PATH = '/api/v1/session'

export function addSession(
  app: FastifyInstance,
  guardOf: (request: FastifyRequest) => GuardOptions | undefined,
): void {
  const set = (request: FastifyRequest, reply: FastifyReply, value: string, age: number) =>
    reply.header(
      'set-cookie',
      `${cookieName(request.headers)}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict`,
    )
  app.get(
    PATH,
    { schema: { summary: 'Is this browser signed in?', response: { 200: schemas.session } } },
    async (request) => ({ signedIn: isOwner(request.headers, guardOf(request)) }),
  )
  app.post<{ Body: { token: string } }>(
    PATH,
    {
      schema: {
        summary: 'Sign in to the dashboard: the token becomes a cookie',
        body: schemas.signIn,
        response: { 200: schemas.session, 401: schemas.failure },
      },
    },
    async (request, reply) => {
      const guarded = guardOf(request)
      if (guarded === undefined) return { signedIn: true }
      if (!sameText(request.body.token.trim(), guarded.token)) {
        const message = 'this is not the token; it is new at each start: pvpn dashboard prints it'
        return reply.code(401).send({ error: { code: 'ERR_AUTH', message } })
      }
      set(request, reply, cookieValue(guarded.token), COOKIE_AGE)
      return { signedIn: true }
    },
  )
  app.delete(
    PATH,
    { schema: { summary: 'Sign out', response: { 200: schemas.session } } },
    async (request, reply) => {
      set(request, reply, '', 0)
      return { signedIn: false }
    },
  )
}
