/** Programs started by this one have the library too, whatever environment they are given. */
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload.h"

extern char **environ;

/** What a child needs: LD_PRELOAD, the socket's path, the environment's name. */
#define NEEDED 3
#define TEXT_SIZE 4224
/** Variables and arguments that fit on the stack of a call; more are passed on as they are when nothing is missing. */
#define MOST_VARIABLES 4096
#define MOST_ARGUMENTS 4096

struct needed {
  char text[NEEDED][TEXT_SIZE];
};

static bool named(const char *entry, const char *name) {
  const size_t length = strlen(name);
  return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/** "NAME=VALUE" without the heap; false when it does not fit or there is none. */
static bool compose(char *out, const char *name, const char *value, const char *behind) {
  const size_t a = strlen(name);
  const size_t b = strlen(value);
  const size_t c = behind == NULL || *behind == 0 ? 0 : strlen(behind) + 1;
  if (b == 0 || a + 1 + b + c + 1 > TEXT_SIZE) return false;
  memcpy(out, name, a);
  out[a] = '=';
  memcpy(out + a + 1, value, b + 1);
  if (c > 0) {
    out[a + 1 + b] = ':';
    memcpy(out + a + 2 + b, behind, c);
  }
  return true;
}

/** Is our library in this list already? Ours comes first in what the launcher gave. */
static bool includes(const char *list, const char *preloads) {
  const size_t length = strcspn(preloads, ": ");
  for (const char *at = list; *at != 0;) {
    const size_t size = strcspn(at, ": ");
    if (size == length && memcmp(at, preloads, length) == 0) return true;
    at += size;
    if (*at != 0) at++;
  }
  return false;
}

/**
 * Puts what a child needs into a copy of its environment, which has room for MOST_VARIABLES. Returns
 * the original when it lacks nothing, or when this process was not started by the launcher.
 */
static char *const *complete(char *const variables[], char **copy, struct needed *needed) {
  static const char *const kNames[NEEDED] = {"LD_PRELOAD", PVPN_VARIABLE, "PVPN_ENVIRONMENT"};
  const char *path = pvpn_path();
  if (path == NULL) return variables;
  const char *values[NEEDED] = {pvpn_preloads(), path, pvpn_environment()};
  bool have[NEEDED] = {false, false, false};
  const char *others = NULL;
  size_t count = 0;
  for (; variables != NULL && variables[count] != NULL; count++) {
    for (size_t i = 0; i < NEEDED; i++) {
      if (!named(variables[count], kNames[i])) continue;
      const char *value = variables[count] + strlen(kNames[i]) + 1;
      if (i == 0 && !includes(value, values[0])) others = value;
      else if (i != 1 || strcmp(value, path) == 0) have[i] = true;
    }
  }
  if (have[0] && have[1] && have[2]) return variables;
  if (count + NEEDED + 1 > MOST_VARIABLES) return variables;
  size_t made = 0;
  for (size_t i = 0; i < count; i++) {
    bool replaced = false;
    for (size_t n = 0; n < NEEDED; n++) replaced = replaced || (!have[n] && named(variables[i], kNames[n]));
    if (!replaced) copy[made++] = variables[i];
  }
  for (size_t n = 0; n < NEEDED; n++) {
    if (have[n] || !compose(needed->text[n], kNames[n], values[n], n == 0 ? others : NULL)) continue;
    copy[made++] = needed->text[n];
  }
  copy[made] = NULL;
  return copy;
}

PVPN_EXPORT int execve(const char *path, char *const arguments[], char *const variables[]) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(execve)(path, arguments, complete(variables, copy, &needed));
}

PVPN_EXPORT int execvpe(const char *file, char *const arguments[], char *const variables[]) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(execvpe)(file, arguments, complete(variables, copy, &needed));
}

PVPN_EXPORT int execv(const char *path, char *const arguments[]) {
  return execve(path, arguments, environ);
}

PVPN_EXPORT int execvp(const char *file, char *const arguments[]) {
  return execvpe(file, arguments, environ);
}

PVPN_EXPORT int fexecve(int fd, char *const arguments[], char *const variables[]) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(fexecve)(fd, arguments, complete(variables, copy, &needed));
}

PVPN_EXPORT int execveat(int folder, const char *path, char *const arguments[],
                         char *const variables[], int flags) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(execveat)(folder, path, arguments, complete(variables, copy, &needed), flags);
}

/** The arguments of execl and the like; false: too many (E2BIG). */
static bool gather(const char *first, va_list *rest, char **out) {
  size_t count = 0;
  out[count++] = (char *)first;
  while (out[count - 1] != NULL) {
    if (count == MOST_ARGUMENTS) {
      errno = E2BIG;
      return false;
    }
    out[count++] = va_arg(*rest, char *);
  }
  return true;
}

PVPN_EXPORT int execl(const char *path, const char *first, ...) {
  char *arguments[MOST_ARGUMENTS];
  va_list rest;
  va_start(rest, first);
  const bool done = gather(first, &rest, arguments);
  va_end(rest);
  return done ? execv(path, arguments) : -1;
}

PVPN_EXPORT int execlp(const char *file, const char *first, ...) {
  char *arguments[MOST_ARGUMENTS];
  va_list rest;
  va_start(rest, first);
  const bool done = gather(first, &rest, arguments);
  va_end(rest);
  return done ? execvp(file, arguments) : -1;
}

PVPN_EXPORT int execle(const char *path, const char *first, ...) {
  char *arguments[MOST_ARGUMENTS];
  va_list rest;
  va_start(rest, first);
  const bool done = gather(first, &rest, arguments);
  char *const *variables = done ? va_arg(rest, char *const *) : NULL;
  va_end(rest);
  return done ? execve(path, arguments, variables) : -1;
}

PVPN_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                            const posix_spawnattr_t *attributes, char *const arguments[],
                            char *const variables[]) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(posix_spawn)(pid, path, actions, attributes, arguments,
                                complete(variables, copy, &needed));
}

PVPN_EXPORT int posix_spawnp(pid_t *pid, const char *file,
                             const posix_spawn_file_actions_t *actions,
                             const posix_spawnattr_t *attributes, char *const arguments[],
                             char *const variables[]) {
  char *copy[MOST_VARIABLES];
  struct needed needed;
  return PVPN_NEXT(posix_spawnp)(pid, file, actions, attributes, arguments,
                                 complete(variables, copy, &needed));
}

/* system and popen of the C library call its inner posix_spawn, which is not hooked: they pass `environ`, which is put in order before. */
static void completeOwn(void) {
  if (pvpn_path() == NULL) return;
  if (getenv("LD_PRELOAD") == NULL || !includes(getenv("LD_PRELOAD"), pvpn_preloads())) {
    setenv("LD_PRELOAD", pvpn_preloads(), 1);
  }
  if (getenv(PVPN_VARIABLE) == NULL) setenv(PVPN_VARIABLE, pvpn_path(), 1);
  if (getenv("PVPN_ENVIRONMENT") == NULL) setenv("PVPN_ENVIRONMENT", pvpn_environment(), 1);
}

PVPN_EXPORT int system(const char *command) {
  completeOwn();
  return PVPN_NEXT(system)(command);
}

PVPN_EXPORT FILE *popen(const char *command, const char *mode) {
  completeOwn();
  return PVPN_NEXT(popen)(command, mode);
}
