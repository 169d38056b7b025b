/** Way 2: virtual sockets. The program itself becomes what is wrapped: nothing needs a parent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../preload/protocol.h"
#include "wrap.h"

#define LIBRARY "libpvpn-preload.so"

/** Asks the environment's process: 0, the errno that it answers, or another when it does not. */
static int ask(const struct runtime *runtime, const char *environment, uint16_t kind, int value,
               double until) {
  const int fd = channelConnect(runtime->folder, environment, "query");
  if (fd < 0) return ENOENT;
  const struct pvpn_request_header request = {
      .magic = PVPN_MAGIC, .kind = kind, .value = (uint32_t)value};
  struct pvpn_reply_header reply;
  int error = EPROTO;
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  const double left = until - secondsNow();
  if (send(fd, &request, sizeof request, MSG_NOSIGNAL) == sizeof request &&
      poll(&polled, 1, left > 0 ? (int)(left * 1000) : 0) > 0 &&
      recv(fd, &reply, sizeof reply, MSG_WAITALL) == sizeof reply && reply.magic == PVPN_MAGIC) {
    error = (int)reply.error;
  }
  close(fd);
  return error;
}

static bool awaitUp(const struct options *options, const struct runtime *runtime, char *problem,
                    size_t size) {
  struct patience patience = {.until = secondsNow() + options->wait};
  do {
    const double slice = secondsNow() + 1;
    if (runtime->folder >= 0 && ask(runtime, options->environment, PVPN_READY, 0, slice) == 0) {
      return true;
    }
    if (!stillHope(&patience, options, runtime, problem, size)) return false;
    usleep(50000);
  } while (true);
}

/** What a descriptor is, when it could leave the machine; NULL when it could not. */
static const char *leads(int fd) {
  int domain;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0) {
    return domain == AF_UNIX ? NULL : "a network socket";
  }
  char path[40];
  char target[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(path, target, sizeof target - 1);
  if (length <= 0) return NULL;
  target[length] = 0;
  if (strcmp(target, "anon_inode:[io_uring]") == 0) return "an io_uring";
  if (strcmp(target, "/dev/net/tun") == 0) return "a network device";
  return strcmp(target, "/dev/vhost-net") == 0 ? "a network device" : NULL;
}

/** Sockets that the caller gave us would lead outside: none goes to the program. */
static bool checkDescriptors(char *problem, size_t size) {
  DIR *folder = opendir("/proc/self/fd");
  if (folder == NULL) {
    snprintf(problem, size, "/proc/self/fd cannot be read: %s", strerror(errno));
    return false;
  }
  bool clean = true;
  for (struct dirent *entry; clean && (entry = readdir(folder)) != NULL;) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(folder)) continue;
    const char *what = leads(fd);
    if (what == NULL) continue;
    snprintf(problem, size, "descriptor %d is %s, by which the program could leave: close it (%d>&-)",
             fd, what, fd);
    clean = false;
  }
  closedir(folder);
  return clean;
}

/** Sets LD_PRELOAD: ours first, the user's own behind it. */
static bool preload(char *problem, size_t size) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof LIBRARY);
  char *name = NULL;
  if (length > 0) {
    path[length] = 0;
    name = strrchr(path, '/');
  }
  if (name == NULL) {
    snprintf(problem, size, "/proc/self/exe cannot be read");
    return false;
  }
  memcpy(name + 1, LIBRARY, sizeof LIBRARY);
  if (access(path, R_OK) != 0) {
    snprintf(problem, size, "%.3000s: %s (is it built? npm ci)", path, strerror(errno));
    return false;
  }
  // The loader takes both as separators, and an unfindable library only warns: the program would have no network.
  if (strpbrk(path, " :") != NULL) {
    snprintf(problem, size, "%.3000s: its path has a space or a colon, which LD_PRELOAD cannot hold", path);
    return false;
  }
  const char *own = getenv("LD_PRELOAD");
  char *value = NULL;
  const bool made = own != NULL && *own != 0 ? asprintf(&value, "%s:%s", path, own) > 0
                                             : asprintf(&value, "%s", path) > 0;
  const bool done = made && setenv("LD_PRELOAD", value, 1) == 0;
  free(value);
  if (!done) snprintf(problem, size, "out of memory");
  return done;
}

bool enterVirtual(const struct options *options, const struct runtime *runtime, char *problem,
                  size_t size) {
  if (!awaitUp(options, runtime, problem, size)) return false;
  for (int i = 0; i < options->hostPortCount; i++) {
    const int port = options->hostPorts[i];
    const int error =
        ask(runtime, options->environment, PVPN_HOST_PORT, port, secondsNow() + options->wait);
    if (error == 0) continue;
    snprintf(problem, size, "port %d of the host: %s", port, strerror(error));
    return false;
  }
  if (!checkDescriptors(problem, size) || !preload(problem, size)) return false;
  char path[PATH_MAX + 80];
  snprintf(path, sizeof path, "%s/wrap/%s.query", runtime->path, options->environment);
  if (setenv(PVPN_VARIABLE, path, 1) != 0 ||
      setenv("PVPN_ENVIRONMENT", options->environment, 1) != 0) {
    snprintf(problem, size, "out of memory");
    return false;
  }
  if (forbidNetwork()) return true;
  snprintf(problem, size, "seccomp filters are forbidden here (%s): nothing can be promised",
           strerror(errno));
  return false;
}
