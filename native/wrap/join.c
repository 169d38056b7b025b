#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wrap.h"

extern char **environ;

/** In the child: becomes the holder, by a name of its own and without anything of the caller's. */
static _Noreturn void becomeHolder(const struct runtime *runtime, const char *environment,
                                   int ready) {
  if (setsid() < 0 || fork() != 0) _exit(0);
  char readyText[16];
  snprintf(readyText, sizeof readyText, "%d", ready);
  fcntl(ready, F_SETFD, 0);
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (ready > 3) close_range(3, (unsigned)ready - 1, CLOSE_RANGE_CLOEXEC);
  close_range((unsigned)ready + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  if (chdir("/") != 0) _exit(1);
  char folder[PATH_MAX + 32];
  snprintf(folder, sizeof folder, "PVPN_RUNTIME_DIR=%s", runtime->path);
  char *arguments[] = {"pvpn-wrap", "--holder", readyText, (char *)environment, NULL};
  char *variables[] = {folder, NULL};
  execve("/proc/self/exe", arguments, variables);
  _exit(1);
}

/** Starts a holder and waits until it listens. One at a time: the caller has the lock. */
static bool startHolder(const struct runtime *runtime, const char *environment, char *problem,
                        size_t size) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) {
    snprintf(problem, size, "pipe: %s", strerror(errno));
    return false;
  }
  const pid_t child = fork();
  if (child == 0) {
    close(ready[0]);
    becomeHolder(runtime, environment, ready[1]);
  }
  close(ready[1]);
  if (child > 0) waitpid(child, NULL, 0);
  char said[256];
  size_t total = 0;
  for (ssize_t got; total < sizeof said - 1; total += (size_t)got) {
    got = read(ready[0], said + total, sizeof said - 1 - total);
    if (got <= 0) break;
  }
  close(ready[0]);
  said[total] = 0;
  if (strcmp(said, "ok") == 0) return true;
  explainMachine(problem, size, total > 0 ? said : "the holder did not start");
  return false;
}

/** Whether the holder has said its word within half a second: 1 with the namespaces, 0 not yet, -1 when it went. */
static int awaitJoin(int holder, struct namespaces *out) {
  struct pollfd polled = {.fd = holder, .events = POLLIN};
  if (poll(&polled, 1, 500) <= 0) return 0;
  char line[32];
  int both[2];
  const ssize_t got = receiveLine(holder, line, sizeof line, both, 2);
  if (got <= 0 || strcmp(line, "join\n") != 0 || both[0] < 0) return -1;
  *out = (struct namespaces){.network = both[0], .user = both[1], .holder = holder};
  return 1;
}

/** Makes a holder unless another wrapper is faster. */
static bool ensureHolder(const struct options *options, const struct runtime *runtime,
                         char *problem, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d/.", runtime->folder);
  const int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock >= 0) flock(lock, LOCK_EX);
  const int holder = channelConnect(runtime->folder, options->environment, "holder");
  if (holder >= 0) close(holder);
  const bool there = holder >= 0 || startHolder(runtime, options->environment, problem, size);
  if (lock >= 0) close(lock);
  return there;
}

enum way findNamespaces(const struct options *options, const struct runtime *runtime,
                        struct namespaces *out, char *problem, size_t size) {
  struct patience patience = {.until = secondsNow() + options->wait};
  for (;;) {
    const int folder = runtime->folder;
    const int holder = folder < 0 ? -1 : channelConnect(folder, options->environment, "holder");
    int joined = 0;
    while (holder >= 0 && joined == 0) {
      joined = awaitJoin(holder, out);
      if (joined > 0) return WAY_READY;
      if (joined == 0 && !stillHope(&patience, options, runtime, problem, size)) {
        close(holder);
        return WAY_FAILED;
      }
    }
    if (holder >= 0) close(holder);
    const int probe = folder < 0 ? -1 : channelConnect(folder, options->environment, "sock");
    if (probe >= 0) {
      close(probe);
      if (!ensureHolder(options, runtime, problem, size)) return WAY_UNABLE;
      if (holder < 0) continue;
    }
    if (!stillHope(&patience, options, runtime, problem, size)) return WAY_FAILED;
    usleep(50000);
  }
}

/** A listening socket inside, which the environment's process connects with the host's port of that number. */
static bool offerHostPort(int port, int holder, char *problem, size_t size) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  bool done = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              listen(fd, 128) == 0;
  // In use: another program of this environment has asked for it already.
  if (!done && errno == EADDRINUSE) {
    close(fd);
    return true;
  }
  char line[32];
  snprintf(line, sizeof line, "host-port %d\n", port);
  done = done && sendLine(holder, line, &fd, 1);
  if (!done) snprintf(problem, size, "port %d of the host: %s", port, strerror(errno));
  if (fd >= 0) close(fd);
  return done;
}

bool ownMounts(const struct runtime *runtime, const char *environment, char *problem, size_t size) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
    snprintf(problem, size, "mount namespace: %s", strerror(errno));
    return false;
  }
  return coverFiles(runtime, environment, problem, size);
}

enum way enterNamespaces(const struct options *options, const struct runtime *runtime,
                         const struct namespaces *namespaces, char *problem, size_t size) {
  // Where the first step is refused nothing has changed yet.
  const bool own = namespaces->user >= 0;
  if (setns(own ? namespaces->user : namespaces->network, own ? CLONE_NEWUSER : CLONE_NEWNET) != 0) {
    char reason[128];
    snprintf(reason, sizeof reason, "%s namespace: %s", own ? "user" : "network", strerror(errno));
    explainMachine(problem, size, reason);
    return WAY_UNABLE;
  }
  if (own && setns(namespaces->network, CLONE_NEWNET) != 0) {
    snprintf(problem, size, "cannot enter the network namespace: %s", strerror(errno));
    return WAY_FAILED;
  }
  for (int i = 0; i < options->hostPortCount; i++) {
    if (!offerHostPort(options->hostPorts[i], namespaces->holder, problem, size)) return WAY_FAILED;
  }
  return ownMounts(runtime, options->environment, problem, size) ? WAY_READY : WAY_FAILED;
}
