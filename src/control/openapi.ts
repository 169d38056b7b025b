/** The API's description, made of the routes themselves. */
import type { RouteOptions } from 'fastify'

declare module 'fastify' {
  interface FastifySchema {
    /** What the operation does, for openapi.json. */
    summary?: string
  }
}

interface DescribedParameters {
  readonly properties: Readonly<Record<string, object>>
  readonly required?: readonly string[]
}

interface DescribedSchema {
  readonly summary?: string
  readonly params?: DescribedParameters
  readonly querystring?: DescribedParameters
  readonly body?: object
  readonly response?: Readonly<Record<string, object>>
}

/** Gathers routes (fastify's onRoute) and renders them as OpenAPI 3.1. Routes without a summary stay out. */
export class ApiDescription {
  readonly #paths: Record<string, Record<string, object>> = {}

  readonly add = (route: RouteOptions): void => {
    const schema = route.schema as DescribedSchema | undefined
    if (schema?.summary === undefined) return
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    for (const method of [route.method].flat()) {
      if (method === 'HEAD') continue
      const operations = this.#paths[path] ?? {}
      operations[method.toLowerCase()] = operation(schema, method)
      this.#paths[path] = operations
    }
  }

  render(version: string): object {
    return {
      openapi: '3.1.0',
      info: { title: 'pvpn control API', version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      paths: this.#paths,
    }
  }
}

function operation(schema: DescribedSchema, method: string): object {
  const json = (content: object) => ({ 'application/json': { schema: content } })
  return {
    summary: schema.summary,
    ...(method === 'GET' ? {} : { security: [{ token: [] }] }),
    parameters: [...parameters('path', schema.params), ...parameters('query', schema.querystring)],
    ...(schema.body === undefined
      ? {}
      : { requestBody: { required: false, content: json(schema.body) } }),
    responses: Object.fromEntries(
      Object.entries(schema.response ?? { 200: {} }).map(([status, content]) => [
        status,
        { description: status < '400' ? 'done' : 'refused', content: json(content) },
      ]),
    ),
  }
}

function parameters(place: 'path' | 'query', described: DescribedParameters | undefined): object[] {
  return Object.entries(described?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: place,
    required: described?.required?.includes(name) ?? false,
    schema,
  }))
}
