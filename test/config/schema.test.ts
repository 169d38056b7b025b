import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { configSchema } from '../../src/config/json-schema.js'
import { loadConfig } from '../../src/config/load.js'

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const EXAMPLE = root('config/example/pvpn.yaml')

t.test('config/pvpn.schema.json is what `npm run schema` writes', async (t) => {
  const file = JSON.parse(readFileSync(root('config/pvpn.schema.json'), 'utf8'))
  t.strictSame(file, JSON.parse(JSON.stringify(configSchema())))
})

t.test('the example passes check', async (t) => {
  const { problems, options } = await loadConfig(EXAMPLE, { secrets: true })
  t.strictSame(problems, [])
  t.equal(options?.environments.length, 5)
})

t.test('the schema takes the example and refuses mistakes', async (t) => {
  const validate = new Ajv.default({ allErrors: true, allowUnionTypes: true }).compile(
    configSchema(),
  )
  t.ok(validate(parse(readFileSync(EXAMPLE, 'utf8'))), JSON.stringify(validate.errors))
  for (const bad of [
    {},
    { environments: {} },
    { environments: { Office: { tunnel: { type: 'direct' } } } },
    { environments: { a: {} } },
    { environments: { a: { tunnel: { type: 'direct', file: 'x' } } } },
    { environments: { a: { tunnel: { type: 'direct' }, listn: 'x' } } },
    { environments: { a: { tunnel: { type: 'direct' }, start: 'never' } } },
    { version: 2, environments: { a: { tunnel: { type: 'direct' } } } },
  ]) {
    t.notOk(validate(bad), JSON.stringify(bad))
  }
})
