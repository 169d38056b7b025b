/** What each environment's process runs; in the bundle too its file stands beside this one's. */
import { fileURLToPath } from 'node:url'

export const ENVIRONMENT_MODULE = fileURLToPath(new URL('environment-process.js', import.meta.url))
