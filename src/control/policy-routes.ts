/** What the policy has to say: the PAC file for browsers, explanations for people. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { PvpnError } from '../core/errors.js'
import type { Policy, PolicyQuestion } from '../gateway/contract.js'
import { type OwnerOptions, ownerOnly } from './owner.js'
import * as schemas from './schemas.js'

export interface PolicyRoutesOptions extends OwnerOptions {
  readonly policy: Policy
}

export function addPolicy(app: FastifyInstance, { policy, guardOf }: PolicyRoutesOptions): void {
  for (const path of ['/proxy.pac', '/wpad.dat']) {
    app.get(path, async (request, reply) => {
      const { text, etag } = policy.pac(request.raw.socket)
      // Kept by browsers as long as they like, if they ask each time whether it is still so.
      reply.headers({ etag, 'cache-control': 'no-cache' })
      if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send()
      return reply.type('application/x-ns-proxy-autoconfig').send(text)
    })
  }
  // Who talks to whom is the owner's to know, and a question may start an environment: not every local user's.
  const needsToken = ownerOnly(guardOf)
  app.get<{ Querystring: Omit<PolicyQuestion, 'port'> & { port: string } }>(
    '/api/v1/policy/explain',
    {
      onRequest: needsToken,
      schema: {
        summary:
          'Which environment would serve a request at the policy port, and why; needs the token',
        querystring: schemas.policyQuestion,
        response: {
          200: schemas.policyExplanation,
          401: schemas.failure,
          404: schemas.failure,
          503: schemas.failure,
        },
      },
    },
    async (request, reply) => {
      const { port, ...question } = request.query
      try {
        const answer = await policy.explain({ ...question, port: Number(port) })
        return answer ?? fail(reply, 404, 'ERR_CONFIG', 'the configuration has no policy')
      } catch (error) {
        // An environment that had to be asked does not answer: that is the explanation.
        if (!(error instanceof PvpnError)) throw error
        return fail(reply, 503, error.code, error.message)
      }
    },
  )
  app.get(
    '/api/v1/policy/decisions',
    {
      onRequest: needsToken,
      schema: {
        summary: 'The last decisions of the policy port, the newest first; needs the token',
        response: { 200: schemas.policyDecisions, 401: schemas.failure },
      },
    },
    async () => policy.recent,
  )
}

/** RFC 9110 section 13.1.2, by weak comparison. */
function matches(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  const tags = field.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag) || tags.includes('*')
}

function fail(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ error: { code, message } })
}
