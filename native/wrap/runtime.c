#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
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

/** The control port's answer, as much as fits; its size or -1. */
static ssize_t askGateway(const struct runtime *runtime, char *answer, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock",
                              runtime->path);
  if (length < 0 || (size_t)length >= sizeof address.sun_path) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const struct timeval patience = {.tv_sec = 3};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const char *request =
      "GET /api/v1/environments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  size_t total = 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)) {
    while (total < size - 1) {
      const ssize_t got = recv(fd, answer + total, size - 1 - total, 0);
      if (got <= 0) break;
      total += (size_t)got;
    }
  }
  close(fd);
  answer[total] = 0;
  return total > 0 ? (ssize_t)total : -1;
}

bool environmentNames(const struct runtime *runtime, char *out, size_t size) {
  static const char kKey[] = "{\"name\":\"";
  const size_t room = 1 << 18;
  char *answer = malloc(room);
  if (answer == NULL) return false;
  const bool asked = askGateway(runtime, answer, room) > 0;
  size_t used = 0;
  out[0] = 0;
  for (const char *at = answer; asked && (at = strstr(at, kKey)) != NULL;) {
    at += strlen(kKey);
    const size_t length = strcspn(at, "\"");
    if (used + length + 3 > size) break;
    used += (size_t)snprintf(out + used, size - used, "%s%.*s", used > 0 ? ", " : "", (int)length,
                             at);
  }
  free(answer);
  return asked;
}
