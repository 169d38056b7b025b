#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wrap.h"

/* glibc has these from 2.36 on only. */
static int openTree(int folder, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, folder, path, flags);
}
static int moveMount(int from, int to) {
  return (int)syscall(SYS_move_mount, from, "", to, "",
                      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
static int setReadOnly(int tree) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

/**
 * Puts a file of ours over one of the host's, for this mount namespace alone. A link is covered itself,
 * not what it leads to, so that it may dangle, and change where it leads.
 */
static bool cover(int folder, const char *environment, const char *name, const char *target) {
  const int place = open(target, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  // Without the file a program takes the default: a name server on loopback, which is ours.
  if (place < 0) return errno == ENOENT;
  char path[300];
  snprintf(path, sizeof path, "%s.%s", environment, name);
  const int tree = openTree(folder, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  bool done = false;
  if (tree >= 0) {
    setReadOnly(tree);
    done = moveMount(tree, place) == 0;
  }
  const int error = errno;
  if (tree >= 0) close(tree);
  close(place);
  errno = error;
  return done;
}

/** Puts an empty file over a socket, so that nobody is reached by it. */
static bool hide(int folder, const char *environment, const char *path) {
  struct stat found;
  if (stat(path, &found) != 0) return true;
  return cover(folder, environment, "empty", path);
}

/**
 * The session's D-Bus starts programs outside that fetch what they are asked for (gvfs, portals): hidden
 * where it may be, by its usual places and by what the caller's variables say.
 */
static bool hideSessionBus(int folder, const char *environment, char *path, size_t size) {
  static const char kPrefix[] = "unix:path=";
  snprintf(path, size, "/run/user/%u/bus", getuid());
  if (!hide(folder, environment, path)) return false;
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (runtime != NULL && snprintf(path, size, "%s/bus", runtime) < (int)size &&
      !hide(folder, environment, path)) {
    return false;
  }
  // Several addresses may stand there, each with options.
  for (const char *at = getenv("DBUS_SESSION_BUS_ADDRESS"); at != NULL; at = strchr(at, ';')) {
    if (*at == ';') at++;
    if (strncmp(at, kPrefix, sizeof kPrefix - 1) != 0) continue;
    const char *start = at + sizeof kPrefix - 1;
    const size_t length = strcspn(start, ",;");
    if (snprintf(path, size, "%.*s", (int)length, start) < (int)size &&
        !hide(folder, environment, path)) {
      return false;
    }
  }
  return true;
}

/** The same folder, found in the new mount namespace: a mount of the caller's cannot be copied here. */
static int reopen(const struct runtime *runtime) {
  char path[PATH_MAX + 8];
  snprintf(path, sizeof path, "%s/wrap", runtime->path);
  const int folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat before;
  struct stat now;
  if (folder >= 0 && fstat(runtime->folder, &before) == 0 && fstat(folder, &now) == 0 &&
      before.st_dev == now.st_dev && before.st_ino == now.st_ino) {
    return folder;
  }
  if (folder >= 0) close(folder);
  return -1;
}

static bool coverAll(int folder, const char *environment, char *problem, size_t size) {
  static const struct {
    const char *name;
    const char *target;
  } kFiles[] = {{"resolv.conf", "/etc/resolv.conf"},
                {"hosts", "/etc/hosts"},
                {"nsswitch.conf", "/etc/nsswitch.conf"}};
  /** Who answers names with the host's eyes: by sockets, by D-Bus. */
  static const char *const kSockets[] = {
      "/run/nscd/socket",
      "/var/run/nscd/socket",
      "/run/systemd/resolve/io.systemd.Resolve",
      "/run/systemd/resolve/io.systemd.Resolve.Monitor",
      "/run/avahi-daemon/socket",
      "/run/dbus/system_bus_socket",
  };
  for (size_t i = 0; i < sizeof kFiles / sizeof *kFiles; i++) {
    if (cover(folder, environment, kFiles[i].name, kFiles[i].target)) continue;
    snprintf(problem, size, "cannot cover %s: %s", kFiles[i].target, strerror(errno));
    return false;
  }
  for (size_t i = 0; i < sizeof kSockets / sizeof *kSockets; i++) {
    if (hide(folder, environment, kSockets[i])) continue;
    snprintf(problem, size, "cannot hide %s: %s", kSockets[i], strerror(errno));
    return false;
  }
  char path[PATH_MAX];
  if (hideSessionBus(folder, environment, path, sizeof path)) return true;
  snprintf(problem, size, "cannot hide %.3000s: %s", path, strerror(errno));
  return false;
}

bool coverFiles(const struct runtime *runtime, const char *environment, char *problem, size_t size) {
  const int folder = reopen(runtime);
  if (folder < 0) {
    snprintf(problem, size, "%s/wrap cannot be found again: %s", runtime->path, strerror(errno));
    return false;
  }
  const bool done = coverAll(folder, environment, problem, size);
  close(folder);
  return done;
}
