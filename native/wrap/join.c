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

static void explain(char *problem, size_t size, const char *reason) {
  char restricted = '0';
  const int fd = open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (read(fd, &restricted, 1) != 1) restricted = '0';
    close(fd);
  }
  if (restricted == '1' && geteuid() != 0) {
    snprintf(problem, size,
             "AppArmor forbids user namespaces here (%s). As root: cp native/wrap/apparmor/pvpn-wrap "
             "/etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/pvpn-wrap", reason);
  } else if (strstr(reason, "/dev/net/tun") != NULL) {
    snprintf(problem, size, "no TUN device can be made (%s). As root: modprobe tun && chmod 666 /dev/net/tun",
             reason);
  } else if (strstr(reason, "namespace") != NULL) {
    snprintf(problem, size,
             "namespaces are forbidden here (%s). As root: sysctl -w user.max_user_namespaces=10000 "
             "(in a container: allow unshare)", reason);
  } else {
    snprintf(problem, size, "%s", reason);
  }
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
  explain(problem, size, total > 0 ? said : "the holder did not start");
  return false;
}

/** Waits for the holder's word: true with the namespaces, false when it went or the time is over. */
static bool awaitJoin(int holder, double until, struct namespaces *out) {
  struct pollfd polled = {.fd = holder, .events = POLLIN};
  const double left = until - secondsNow();
  if (poll(&polled, 1, left > 0 ? (int)(left * 1000) : 0) <= 0) return false;
  char line[32];
  int both[2];
  const ssize_t got = receiveLine(holder, line, sizeof line, both, 2);
  if (got <= 0 || strcmp(line, "join\n") != 0 || both[0] < 0) return false;
  *out = (struct namespaces){.network = both[0], .user = both[1], .holder = holder};
  return true;
}

void explainAbsence(const struct options *options, const struct runtime *runtime, bool process,
                    char *problem, size_t size) {
  char names[2048];
  if (!environmentNames(runtime, names, sizeof names)) {
    snprintf(problem, size, "no gateway is running: start one with `pvpn up`");
    return;
  }
  char listed[2100];
  char wanted[300];
  snprintf(listed, sizeof listed, ", %s,", names);
  snprintf(wanted, sizeof wanted, ", %.250s,", options->environment);
  if (strstr(listed, wanted) == NULL) {
    snprintf(problem, size, "no environment is called \"%.200s\": there is %s", options->environment,
             *names != 0 ? names : "none");
  } else {
    snprintf(problem, size, "environment \"%s\" %s within %g s (see `pvpn status`)",
             options->environment, process ? "did not come up" : "has no running process",
             options->wait);
  }
}

bool known(const struct options *options, const struct runtime *runtime) {
  char names[2048];
  if (!environmentNames(runtime, names, sizeof names)) return false;
  char listed[2100];
  char wanted[300];
  snprintf(listed, sizeof listed, ", %s,", names);
  snprintf(wanted, sizeof wanted, ", %.250s,", options->environment);
  return strstr(listed, wanted) != NULL;
}

bool findNamespaces(const struct options *options, const struct runtime *runtime,
                    struct namespaces *out, char *problem, size_t size) {
  const double until = secondsNow() + options->wait;
  bool asked = false;
  bool process = false;
  do {
    int holder = runtime->folder < 0 ? -1 : channelConnect(runtime->folder, options->environment, "holder");
    if (holder >= 0) {
      process = true;
      if (awaitJoin(holder, until, out)) return true;
      close(holder);
    } else {
      const int probe =
          runtime->folder < 0 ? -1 : channelConnect(runtime->folder, options->environment, "sock");
      if (probe >= 0) {
        close(probe);
        process = true;
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d/.", runtime->folder);
        const int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock >= 0) flock(lock, LOCK_EX);
        // Another wrapper may have started one while this one waited for the lock.
        holder = channelConnect(runtime->folder, options->environment, "holder");
        bool started = holder >= 0;
        if (holder >= 0) close(holder);
        else started = startHolder(runtime, options->environment, problem, size);
        if (lock >= 0) close(lock);
        if (!started) return false;
        continue;
      }
      if (!asked && !known(options, runtime)) break;
      asked = true;
    }
    usleep(50000);
  } while (secondsNow() < until);
  explainAbsence(options, runtime, process, problem, size);
  return false;
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

bool enterNamespaces(const struct options *options, const struct runtime *runtime,
                     const struct namespaces *namespaces, char *problem, size_t size) {
  const char *step = "user namespace";
  const bool entered =
      (namespaces->user < 0 || setns(namespaces->user, CLONE_NEWUSER) == 0) &&
      (step = "network namespace", setns(namespaces->network, CLONE_NEWNET) == 0) &&
      (step = "mount namespace", unshare(CLONE_NEWNS) == 0) &&
      (step = "mounts", mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0);
  if (!entered) {
    snprintf(problem, size, "cannot enter the %s: %s", step, strerror(errno));
    return false;
  }
  for (int i = 0; i < options->hostPortCount; i++) {
    if (!offerHostPort(options->hostPorts[i], namespaces->holder, problem, size)) return false;
  }
  return coverFiles(runtime, options->environment, problem, size);
}
