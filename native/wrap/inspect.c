#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "inspect.h"

/** `#!` lines that lead to one another; the kernel follows five. */
#define MOST_SCRIPTS 6
/** Bytes of a file's beginning that the kernel reads for `#!`. */
#define HEAD 256
#define REMEDY "use --via netns"

static bool executable(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 && S_ISREG(found.st_mode) &&
         faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

bool findProgram(const char *name, char *path, size_t size) {
  if (*name == 0) return false;
  if (strchr(name, '/') != NULL) {
    return snprintf(path, size, "%s", name) < (int)size && executable(path);
  }
  const char *at = getenv("PATH");
  if (at == NULL) at = "/bin:/usr/bin";
  for (;; at++) {
    const size_t length = strcspn(at, ":");
    // An empty one is the working directory.
    const int wrote = snprintf(path, size, "%.*s%s%s", (int)length, at, length > 0 ? "/" : "./", name);
    if (wrote > 0 && (size_t)wrote < size && executable(path)) return true;
    at += length;
    if (*at == 0) return false;
  }
}

static const char *baseName(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

/** Whether it would run with rights that its caller has not: the dynamic linker ignores us then. */
static bool privileged(int file, const char *path, const char **how) {
  struct stat found;
  struct statvfs mounted;
  if (geteuid() == 0 || fstat(file, &found) != 0) return false;
  if (fstatvfs(file, &mounted) == 0 && (mounted.f_flag & ST_NOSUID) != 0) return false;
  *how = "is setuid";
  if ((found.st_mode & S_ISUID) != 0 && found.st_uid != geteuid()) return true;
  *how = "is setgid";
  const mode_t group = S_ISGID | S_IXGRP;
  if ((found.st_mode & group) == group && found.st_gid != getegid()) return true;
  *how = "has file capabilities";
  return getxattr(path, "security.capability", NULL, 0) > 0;
}

static const char *architecture(const struct elf *elf) {
  if (elf->bits == 32 && elf->machine == EM_386) return "i386";
  if (elf->bits == 32 && elf->machine == EM_X86_64) return "x32";
  return "another machine";
}

/** Against ourselves: what serves us serves it. */
static bool sameKind(const struct elf *elf, const char *path, char *problem, size_t size) {
  struct elf own;
  const int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const bool known = self >= 0 && readElf(self, &own);
  if (self >= 0) close(self);
  if (!known) {
    snprintf(problem, size, "/proc/self/exe cannot be read: " REMEDY);
    return false;
  }
  const char *reason = NULL;
  if (elf->bits != own.bits || elf->machine != own.machine) {
    snprintf(problem, size, "%s is a program for %s, which a preloaded library does not serve: " REMEDY,
             path, architecture(elf));
    return false;
  }
  if (elf->go) reason = "is made by Go, whose system calls no library sees";
  else if (elf->interpreter[0] == 0) reason = "is static: no library can be preloaded";
  else if (strcmp(baseName(elf->interpreter), baseName(own.interpreter)) != 0) reason = "uses another C library than glibc";
  if (reason == NULL) return true;
  snprintf(problem, size, "%s %s: " REMEDY ", or a build linked dynamically with glibc", path, reason);
  if (elf->go) snprintf(problem, size, "%s %s: " REMEDY, path, reason);
  return false;
}

/** One file of the chain; `next` is where a script leads, empty at the end. */
static bool inspectFile(const char *path, char *next, size_t room, char *problem, size_t size) {
  next[0] = 0;
  const char *how;
  // Not one that blocks, or does something, when it is opened: it is a regular file now, but may change.
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    snprintf(problem, size, "%s cannot be read (%s), so nobody knows what it is: " REMEDY, path, strerror(errno));
    return false;
  }
  unsigned char head[HEAD];
  const ssize_t got = pread(file, head, sizeof head, 0);
  struct script script;
  struct elf elf;
  bool fine = false;
  switch (readFormat(head, got < 0 ? 0 : (size_t)got, &script)) {
    case FORMAT_ELF:
      if (!readElf(file, &elf)) snprintf(problem, size, "%s is not a program that can be understood: " REMEDY, path);
      else if (privileged(file, path, &how)) snprintf(problem, size, "%s %s, so that no library is preloaded: " REMEDY, path, how);
      else fine = sameKind(&elf, path, problem, size);
      break;
    case FORMAT_SCRIPT: {
      fine = true;
      size_t length = 0;
      const char *program = strcmp(baseName(script.interpreter), "env") == 0
                                ? envProgram(script.argument, &length)
                                : NULL;
      char name[HEAD];
      if (program == NULL) snprintf(next, room, "%s", script.interpreter);
      else if (snprintf(name, sizeof name, "%.*s", (int)length, program) >= (int)sizeof name ||
               !findProgram(name, next, room)) {
        next[0] = 0;
      }
      break;
    }
    case FORMAT_TEXT:
      // So does execvp.
      fine = true;
      snprintf(next, room, "/bin/sh");
      break;
    case FORMAT_UNKNOWN:
      snprintf(problem, size, "%s is no program of a kind that can be understood: " REMEDY, path);
      break;
  }
  close(file);
  return fine;
}

bool inspectProgram(const char *name, char *problem, size_t size) {
  char path[PATH_MAX];
  char next[PATH_MAX];
  if (!findProgram(name, path, sizeof path)) return true;
  for (int i = 0; i < MOST_SCRIPTS; i++) {
    if (!inspectFile(path, next, sizeof next, problem, size)) return false;
    if (next[0] == 0 || !executable(next)) return true;
    memcpy(path, next, sizeof path);
  }
  snprintf(problem, size, "%s: too many #! lines that lead to one another", name);
  return false;
}
