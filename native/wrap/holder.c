#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wrap.h"

/** Seconds that the holder stays after its last program, for the next one to start fast. */
#define IDLE_SECONDS 5.0
/** Seconds that it waits for the environment's process to come back. */
#define RECONNECT_SECONDS 60.0
/** Loopback addresses where the environment's resolver answers, each by UDP and TCP. */
#define MOST_DNS_SOCKETS 6

struct kept {
  char line[40];
  int fd;
};

struct program {
  int socket;
  /** It has the namespaces; until then it waits for the environment to be up. */
  bool served;
};

struct holder {
  const struct runtime *runtime;
  const char *name;
  int user;
  int network;
  int listener;
  /** Connection to the environment's process, or -1. */
  int environment;
  double lost;
  double idle;
  bool up;
  struct link link;
  /** What the environment's process gets each time it begins: TUN device, DNS sockets, host ports. */
  struct kept kept[1 + MOST_DNS_SOCKETS + MOST_HOST_PORTS];
  int keptCount;
  char pending[LINE_SIZE];
  struct program programs[MOST_PROGRAMS];
  int programCount;
};

static _Noreturn void refuse(int ready, const char *text) {
  dprintf(ready, "%s: %s", text, strerror(errno));
  _exit(1);
}

static bool writeFile(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return done;
}

/** New namespaces. Root keeps its user namespace: only there are its rights over files. */
static void makeNamespaces(struct holder *holder, int ready) {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  holder->user = -1;
  if (uid == 0) {
    if (unshare(CLONE_NEWNET) != 0) refuse(ready, "network namespace");
  } else {
    char map[64];
    if (unshare(CLONE_NEWUSER) != 0) refuse(ready, "user namespace");
    if (!writeFile("/proc/self/setgroups", "deny")) refuse(ready, "user namespace (setgroups)");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!writeFile("/proc/self/uid_map", map)) refuse(ready, "user namespace (uid_map)");
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    if (!writeFile("/proc/self/gid_map", map)) refuse(ready, "user namespace (gid_map)");
    if (unshare(CLONE_NEWNET) != 0) refuse(ready, "network namespace");
    holder->user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    if (holder->user < 0) refuse(ready, "/proc/self/ns/user");
  }
  holder->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (holder->network < 0) refuse(ready, "/proc/self/ns/net");
  char group[32];
  snprintf(group, sizeof group, "%u %u", gid, gid);
  // Away from the ports that the environment's own stack takes (src/stack), whose address this is too.
  setSysctl("ipv4/ip_local_port_range", "16384 32767");
  setSysctl("ipv4/ping_group_range", group);
  if (!loopbackUp()) refuse(ready, "loopback");
}

/** Whether programs could have mounts of their own here: tried in a child, for the holder has its creator's. */
static void tryMounts(const struct holder *holder, int ready) {
  const pid_t child = fork();
  if (child == 0) {
    char problem[4096];
    if (ownMounts(holder->runtime, holder->name, problem, sizeof problem)) _exit(0);
    dprintf(ready, "mounts: %.200s", problem);
    _exit(1);
  }
  int status = 1;
  if (child < 0) refuse(ready, "mounts");
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) _exit(1);
}

static void keep(struct holder *holder, const char *line, int fd) {
  const int most = (int)(sizeof holder->kept / sizeof *holder->kept);
  if (fd < 0) return;
  if (holder->keptCount == most) {
    close(fd);
    return;
  }
  struct kept *kept = &holder->kept[holder->keptCount++];
  snprintf(kept->line, sizeof kept->line, "%s\n", line);
  kept->fd = fd;
}

static int boundSocket(int family, const char *address, int type) {
  const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(53)};
  struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
  const bool v4 = family == AF_INET;
  inet_pton(family, address, v4 ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr);
  if (bind(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6, v4 ? sizeof a4 : sizeof a6) ==
          0 &&
      (type == SOCK_DGRAM || listen(fd, 64) == 0)) {
    return fd;
  }
  close(fd);
  return -1;
}

static void makeDescriptors(struct holder *holder, int ready) {
  const int tun = openTun();
  if (tun < 0) refuse(ready, "/dev/net/tun");
  keep(holder, "tun", tun);
  static const char *const kAddresses[] = {"127.0.0.53", "127.0.0.1", "::1"};
  for (size_t i = 0; i < sizeof kAddresses / sizeof *kAddresses; i++) {
    const int family = strchr(kAddresses[i], ':') != NULL ? AF_INET6 : AF_INET;
    keep(holder, family == AF_INET6 ? "dns-udp6" : "dns-udp4", boundSocket(family, kAddresses[i], SOCK_DGRAM));
    keep(holder, "dns-tcp", boundSocket(family, kAddresses[i], SOCK_STREAM));
  }
}

static void closeEnvironment(struct holder *holder) {
  if (holder->environment >= 0) close(holder->environment);
  holder->environment = -1;
  holder->lost = secondsNow();
  holder->up = false;
  holder->pending[0] = 0;
}

static void connectEnvironment(struct holder *holder) {
  holder->environment = channelConnect(holder->runtime->folder, holder->name, "sock");
  if (holder->environment < 0) return;
  holder->pending[0] = 0;
  for (int i = 0; i < holder->keptCount; i++) {
    const struct kept *kept = &holder->kept[i];
    if (!sendLine(holder->environment, kept->line, &kept->fd, 1)) {
      closeEnvironment(holder);
      return;
    }
  }
}

static void dropProgram(struct holder *holder, int index) {
  close(holder->programs[index].socket);
  holder->programs[index] = holder->programs[--holder->programCount];
  if (holder->programCount == 0) holder->idle = secondsNow();
}

/** Gives the namespaces to programs that wait, now that the environment is up. */
static void serve(struct holder *holder) {
  for (int i = holder->programCount - 1; holder->up && i >= 0; i--) {
    struct program *program = &holder->programs[i];
    if (program->served) continue;
    const int both[] = {holder->network, holder->user};
    program->served = true;
    if (!sendLine(program->socket, "join\n", both, holder->user < 0 ? 1 : 2)) {
      dropProgram(holder, i);
    }
  }
}

/** "link STATE MTU ADDRESS,ADDRESS…" of the environment's process. */
static void obey(struct holder *holder, const char *line) {
  char state[16];
  int used = 0;
  if (sscanf(line, "link %15s %n", state, &used) != 1 || used == 0) return;
  struct link link;
  if (parseLink(line + used, &link) && link.count > 0 && applyLink(&holder->link, &link)) {
    holder->link = link;
  }
  holder->up = strcmp(state, "up") == 0 && holder->link.count > 0;
  serve(holder);
}

static void readEnvironment(struct holder *holder) {
  const size_t have = strlen(holder->pending);
  int stray;
  const ssize_t got = receiveLine(holder->environment, holder->pending + have,
                                  sizeof holder->pending - have, &stray, 1);
  if (stray >= 0) close(stray);
  if (got <= 0) {
    closeEnvironment(holder);
    return;
  }
  for (char *end; (end = strchr(holder->pending, '\n')) != NULL;) {
    *end = 0;
    obey(holder, holder->pending);
    memmove(holder->pending, end + 1, strlen(end + 1) + 1);
  }
  if (strlen(holder->pending) >= sizeof holder->pending - 1) closeEnvironment(holder);
}

static void acceptProgram(struct holder *holder) {
  const int fd = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (holder->programCount == MOST_PROGRAMS || !peerIsUs(fd)) {
    close(fd);
    return;
  }
  holder->programs[holder->programCount++] = (struct program){.socket = fd};
  serve(holder);
}

/** A program may hand over a listening socket for a port of the host; its end means it has gone. */
static void readProgram(struct holder *holder, int index) {
  char line[32];
  int fd;
  const ssize_t got = receiveLine(holder->programs[index].socket, line, sizeof line, &fd, 1);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (got <= 0) {
    dropProgram(holder, index);
    return;
  }
  line[strcspn(line, "\n")] = 0;
  int port;
  if (fd < 0) return;
  if (sscanf(line, "host-port %d", &port) != 1) {
    close(fd);
    return;
  }
  keep(holder, line, fd);
  char whole[40];
  snprintf(whole, sizeof whole, "%s\n", line);
  if (holder->environment >= 0) sendLine(holder->environment, whole, &fd, 1);
}

static bool finished(const struct holder *holder) {
  const double now = secondsNow();
  if (holder->environment < 0 && now - holder->lost > RECONNECT_SECONDS) return true;
  return holder->programCount == 0 && now - holder->idle > IDLE_SECONDS;
}

static void work(struct holder *holder) {
  static struct pollfd polled[2 + MOST_PROGRAMS];
  while (!finished(holder)) {
    if (holder->environment < 0) connectEnvironment(holder);
    const int programs = holder->programCount;
    polled[0] = (struct pollfd){.fd = holder->listener, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = holder->environment, .events = POLLIN};
    for (int i = 0; i < programs; i++) {
      polled[2 + i] = (struct pollfd){.fd = holder->programs[i].socket, .events = POLLIN};
    }
    const int patience = holder->environment < 0 ? 100 : 1000;
    if (poll(polled, (nfds_t)(2 + programs), patience) <= 0) continue;
    // From the end: dropping one moves the last into its place.
    for (int i = programs - 1; i >= 0; i--) {
      if (polled[2 + i].revents != 0) readProgram(holder, i);
    }
    if (polled[1].revents != 0) readEnvironment(holder);
    if (polled[0].revents != 0) acceptProgram(holder);
  }
}

_Noreturn void runHolder(const struct runtime *runtime, const char *environment, int ready) {
  struct holder *holder = calloc(1, sizeof *holder);
  if (holder == NULL) refuse(ready, "memory");
  holder->runtime = runtime;
  holder->name = environment;
  holder->environment = -1;
  signal(SIGPIPE, SIG_IGN);
  makeNamespaces(holder, ready);
  makeDescriptors(holder, ready);
  tryMounts(holder, ready);
  holder->listener = channelListen(runtime->folder, environment, "holder");
  if (holder->listener < 0) refuse(ready, "the holder's socket");
  holder->lost = secondsNow();
  holder->idle = secondsNow();
  connectEnvironment(holder);
  if (write(ready, "ok", 2) != 2) _exit(1);
  close(ready);
  work(holder);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", runtime->folder);
  char name[300];
  snprintf(name, sizeof name, "%s/%.200s.holder", path, environment);
  unlink(name);
  _exit(0);
}
