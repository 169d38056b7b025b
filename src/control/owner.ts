/** Routes whose answers are the owner's alone: reading them needs the token on loopback too. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type GuardOptions, isOwner } from './credentials.js'

export interface OwnerOptions {
  /** What guards the request's server; undefined: the control socket, whose folder only the owner can enter. */
  readonly guardOf: (request: FastifyRequest) => GuardOptions | undefined
}

/** A hook that answers 401 to anybody else. */
export function ownerOnly(guardOf: OwnerOptions['guardOf']) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    if (isOwner(request.headers, guardOf(request))) return
    reply.header('www-authenticate', 'Bearer realm="pvpn"')
    const message = 'this needs the bearer token (file `token` in the runtime folder)'
    return reply.code(401).send({ error: { code: 'ERR_AUTH', message } })
  }
}
