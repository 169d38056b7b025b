#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wrap.h"

double secondsNow(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void folderPath(char *out, size_t size) {
  const char *own = getenv("PVPN_RUNTIME_DIR");
  const char *session = getenv("XDG_RUNTIME_DIR");
  if (own != NULL && *own != 0) snprintf(out, size, "%s", own);
  else if (session != NULL && *session != 0) snprintf(out, size, "%s/pvpn", session);
  else if (geteuid() == 0) snprintf(out, size, "/run/pvpn");
  else snprintf(out, size, "/tmp/pvpn-%u", geteuid());
}

bool openRuntime(struct runtime *runtime, char *problem, size_t size) {
  folderPath(runtime->path, sizeof runtime->path);
  runtime->folder = -1;
  const int folder = open(runtime->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) {
    snprintf(problem, size, "no gateway is running (no folder %s): start one with `pvpn up`",
             runtime->path);
    return false;
  }
  struct stat found;
  if (fstat(folder, &found) != 0 || found.st_uid != geteuid() || (found.st_mode & 077) != 0) {
    snprintf(problem, size, "%s is not a folder of this user alone: not trusted", runtime->path);
    close(folder);
    return false;
  }
  runtime->folder = openat(folder, "wrap", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  close(folder);
  return true;
}
