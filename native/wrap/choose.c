/** Which way the program takes: a network namespace where the machine allows it, else a preloaded library. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect.h"
#include "wrap.h"

/** The number in a file of /proc; `absent` when there is none. */
static long numberIn(const char *path, long absent) {
  char text[32];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (got <= 0) return absent;
  text[got] = 0;
  return strtol(text, NULL, 10);
}

/** Whether a seccomp filter of somebody else's holds us, as in a container. */
static bool filtered(void) {
  char text[8192];
  const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (got <= 0) return false;
  text[got] = 0;
  return strstr(text, "\nSeccomp:\t2") != NULL;
}

/** Where AppArmor's profile stands: beside the program, which is build/native/pvpn-wrap. */
static void profilePath(char *out, size_t size) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  char *end = strstr(path, "/build/native/");
  if (end != NULL) *end = 0;
  snprintf(out, size, "%s%snative/wrap/apparmor/pvpn-wrap", end != NULL ? path : "", end != NULL ? "/" : "");
}

void explainMachine(char *problem, size_t size, const char *reason) {
  char profile[PATH_MAX + 64];
  const bool root = geteuid() == 0;
  const bool namespaces = strstr(reason, "namespace") != NULL || strncmp(reason, "mounts", 6) == 0;
  if (strstr(reason, "/dev/net/tun") != NULL) {
    const bool there = access("/dev/net/tun", F_OK) == 0;
    snprintf(problem, size, "no TUN device can be made (%s). As root: modprobe tun%s; in a container: --device /dev/net/tun",
             reason, there ? " && chmod 666 /dev/net/tun" : "");
  } else if (!namespaces) {
    snprintf(problem, size, "%s", reason);
  } else if (!root && numberIn("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1) {
    profilePath(profile, sizeof profile);
    snprintf(problem, size, "AppArmor forbids user namespaces here (%s). As root: cp %.3000s /etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/pvpn-wrap",
             reason, profile);
  } else if (numberIn("/proc/sys/user/max_user_namespaces", 1) == 0) {
    snprintf(problem, size, "user namespaces are off here (%s). As root: sysctl -w user.max_user_namespaces=10000", reason);
  } else if (!root && numberIn("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
    snprintf(problem, size, "user namespaces are for root alone here (%s). As root: sysctl -w kernel.unprivileged_userns_clone=1", reason);
  } else if (filtered()) {
    snprintf(problem, size, "a seccomp filter forbids namespaces here (%s), as in a container: allow unshare, setns and mount (docker run --security-opt seccomp=unconfined)", reason);
  } else {
    snprintf(problem, size, "namespaces are forbidden here (%s). As root: sysctl -w user.max_user_namespaces=10000; in a container: allow unshare, setns and mount", reason);
  }
}

static enum way enterNetns(const struct options *options, const struct runtime *runtime,
                           struct namespaces *namespaces, char *problem, size_t size) {
  const enum way found = findNamespaces(options, runtime, namespaces, problem, size);
  if (found != WAY_READY) return found;
  const enum way entered = enterNamespaces(options, runtime, namespaces, problem, size);
  if (entered == WAY_UNABLE) {
    close(namespaces->network);
    if (namespaces->user >= 0) close(namespaces->user);
    close(namespaces->holder);
  }
  return entered;
}

int runInside(const struct options *options, const struct runtime *runtime, char *problem,
              size_t size) {
  char unable[4096] = "";
  if (options->via != VIA_PRELOAD) {
    struct namespaces namespaces;
    switch (enterNetns(options, runtime, &namespaces, unable, sizeof unable)) {
      case WAY_READY:
        if (options->verbose) {
          fprintf(stderr, "pvpn-wrap: network namespace of \"%s\"%s\n", options->environment,
                  namespaces.user < 0 ? " (run by root: no user namespace)" : "");
        }
        return supervise(options, &namespaces);
      case WAY_UNABLE:
        if (options->via == VIA_AUTO) break;
        // Fall through.
      default:
        snprintf(problem, size, "%s", unable);
        return STATUS_REFUSED;
    }
  }
  char other[PATH_MAX + 512] = "";
  if (inspectProgram(options->command[0], other, sizeof other) &&
      enterVirtual(options, runtime, other, sizeof other)) {
    if (options->verbose) {
      fprintf(stderr, "pvpn-wrap: virtual sockets of \"%s\"%s%s\n", options->environment,
              unable[0] != 0 ? ": " : "", unable);
    }
    becomeCommand(options);
  }
  snprintf(problem, size, "%s%s%s", other, unable[0] != 0 ? "; and " : "", unable);
  return STATUS_REFUSED;
}
