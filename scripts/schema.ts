/** Writes config/pvpn.schema.json (`npm run schema`); a test holds the file against the source. */
import { writeFileSync } from 'node:fs'
import { configSchema } from '../src/config/json-schema.js'

const file = new URL('../../config/pvpn.schema.json', import.meta.url)
writeFileSync(file, `${JSON.stringify(configSchema(), null, 2)}\n`)
