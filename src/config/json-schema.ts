/** The JSON schema of the configuration, for editors; made of the same specs that read the file. */
import { Report } from './reader.js'
import { rootSpec } from './root.js'
import { Secrets } from './secrets.js'
import type { JsonSchema } from './spec.js'

export function configSchema(): JsonSchema {
  const report = new Report()
  const secrets = new Secrets('/', '', 0, report)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'pvpn configuration',
    ...rootSpec({ folder: '/', file: '', report, secrets, secretsOf: () => secrets }).schema,
  }
}
