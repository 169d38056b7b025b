/** Runs `make`, which makes files (a Unix socket) within this call: nobody else gets at them before a mode could be set. */
export function ownerAlone<T>(make: () => T): T {
  const mask = process.umask(0o177)
  try {
    return make()
  } finally {
    process.umask(mask)
  }
}
