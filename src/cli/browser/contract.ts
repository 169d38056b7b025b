/** What the two families of browsers have in common. */
export const FAMILIES = ['chromium', 'firefox'] as const
export type BrowserFamily = (typeof FAMILIES)[number]

/** What a window of one environment is to be. */
export interface BrowserWish {
  readonly environment: string
  /** `#rrggbb`. */
  readonly color: string
  /** The environment's proxy port. */
  readonly proxy: { readonly host: string; readonly port: number }
  /** Where the browser keeps everything: a folder of the environment's own. */
  readonly profile: string
  /** A page that names the environment: `file://…`. */
  readonly startPage: string
  /** What to open; empty: the start page. */
  readonly urls: readonly string[]
  /** Ports of this machine's 127.0.0.1 that are reached past the proxy. */
  readonly hostPorts: readonly number[]
  /** More options for the browser, as they were given. */
  readonly options: readonly string[]
}

/** A file of the profile. */
export interface ProfileFile {
  /** Below the profile's folder. */
  readonly path: string
  /** Members of an object are set in the file that is there, text replaces it. */
  readonly content: string | JsonObject
  /** Written only where there is none. */
  readonly once?: true
}

export type JsonValue = string | number | boolean | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

export interface BrowserPlan {
  readonly args: readonly string[]
  readonly files: readonly ProfileFile[]
}
