/** The files that say who answers names: programs that read them themselves read the environment's. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "preload.h"

#define MOST_PATH 4096

/**
 * Where a file for reading is taken from: the runtime folder has the environment's beside the socket,
 * ENVIRONMENT.query. Allocates nothing, keeps errno: open may be called in a signal handler.
 */
static const char *instead(const char *path, char *room) {
  static const char *const kFiles[][2] = {
      {"/etc/resolv.conf", "resolv.conf"},
      {"/run/systemd/resolve/resolv.conf", "resolv.conf"},
      {"/run/systemd/resolve/stub-resolv.conf", "resolv.conf"},
      {"/etc/hosts", "hosts"},
      {"/etc/nsswitch.conf", "nsswitch.conf"},
  };
  if (path == NULL || path[0] != '/' || (path[1] != 'e' && path[1] != 'r')) return path;
  for (size_t i = 0; i < sizeof kFiles / sizeof *kFiles; i++) {
    if (strcmp(path, kFiles[i][0]) != 0) continue;
    const char *query = pvpn_path();
    const char *dot = query == NULL ? NULL : strrchr(query, '.');
    const size_t size = strlen(kFiles[i][1]) + 1;
    if (dot == NULL || (size_t)(dot - query) + 1 + size > MOST_PATH) return path;
    const size_t head = (size_t)(dot - query) + 1;
    memcpy(room, query, head);
    memcpy(room + head, kFiles[i][1], size);
    return room;
  }
  return path;
}

static const char *forReading(const char *path, int flags, char *room) {
  return (flags & (O_ACCMODE | O_PATH | O_CREAT | O_TRUNC)) == O_RDONLY ? instead(path, room) : path;
}

static const char *byMode(const char *path, const char *mode, char *room) {
  return mode != NULL && mode[0] == 'r' && strchr(mode, '+') == NULL ? instead(path, room) : path;
}

#define MODE(flags)                                         \
  mode_t mode = 0;                                          \
  if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) { \
    va_list more;                                           \
    va_start(more, flags);                                  \
    mode = va_arg(more, mode_t);                            \
    va_end(more);                                           \
  }

#define OPEN(name)                                                        \
  PVPN_EXPORT int name(const char *path, int flags, ...) {                \
    char room[MOST_PATH];                                                 \
    MODE(flags)                                                           \
    return PVPN_NEXT(name)(forReading(path, flags, room), flags, mode);   \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                              \
  PVPN_EXPORT int name(int folder, const char *path, int flags, ...) {            \
    char room[MOST_PATH];                                                         \
    MODE(flags)                                                                   \
    return PVPN_NEXT(name)(folder, forReading(path, flags, room), flags, mode);   \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                           \
  PVPN_EXPORT FILE *name(const char *restrict path, const char *restrict mode) { \
    char room[MOST_PATH];                                                     \
    return PVPN_NEXT(name)(byMode(path, mode, room), mode);                   \
  }
FOPEN(fopen)
FOPEN(fopen64)

#define FREOPEN(name)                                                               \
  PVPN_EXPORT FILE *name(const char *restrict path, const char *restrict mode,      \
                         FILE *restrict stream) {                                   \
    char room[MOST_PATH];                                                           \
    return PVPN_NEXT(name)(byMode(path, mode, room), mode, stream);                 \
  }
FREOPEN(freopen)
FREOPEN(freopen64)

/* What programs that were compiled with _FORTIFY_SOURCE call. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

#define CHECKED(name)                                             \
  PVPN_EXPORT int name(const char *path, int flags) {             \
    char room[MOST_PATH];                                         \
    return PVPN_NEXT(name)(forReading(path, flags, room), flags); \
  }
CHECKED(__open_2)
CHECKED(__open64_2)

#define CHECKED_AT(name)                                                  \
  PVPN_EXPORT int name(int folder, const char *path, int flags) {         \
    char room[MOST_PATH];                                                 \
    return PVPN_NEXT(name)(folder, forReading(path, flags, room), flags); \
  }
CHECKED_AT(__openat_2)
CHECKED_AT(__openat64_2)
