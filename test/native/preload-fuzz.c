/**
 * The preload library with an environment's process that answers anything: no reply, however wrong, makes
 * it read or write outside its memory. Compiled together with native/preload and the sanitizers by
 * scripts/fuzz-native.js. Usage: preload-fuzz SECONDS SEED
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../native/preload/protocol.h"

static unsigned chance(unsigned *state, unsigned below) {
  *state = *state * 1103515245u + 12345u;
  return (*state >> 8) % below;
}

static void scatter(unsigned *state, void *out, size_t size) {
  for (size_t i = 0; i < size; i++) ((unsigned char *)out)[i] = (unsigned char)chance(state, 256);
}

struct service {
  int listener;
  unsigned seed;
};

/** Mostly a good header with any bytes behind it, cut short now and then. */
static void *serve(void *argument) {
  const struct service *service = argument;
  unsigned state = service->seed;
  static unsigned char reply[16 + 4096];
  while (1) {
    const int fd = (int)syscall(SYS_accept4, service->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return NULL;
    unsigned char request[256];
    if (syscall(SYS_read, fd, request, sizeof request) > 0) {
      static const unsigned kSizes[] = {0, 4, 24, 56, 56, 56, 96, 480, 4096};
      struct pvpn_reply_header header = {.magic = PVPN_MAGIC, .length = kSizes[chance(&state, 9)]};
      if (chance(&state, 4) == 0) header.error = chance(&state, 140);
      if (chance(&state, 16) == 0) header.length = chance(&state, 0x7fffffff);
      if (chance(&state, 32) == 0) header.magic = 0;
      header.value = chance(&state, 3);
      scatter(&state, reply, sizeof reply);
      memcpy(reply, &header, sizeof header);
      size_t size = sizeof header + (header.length < 4096 ? header.length : 4096);
      if (chance(&state, 16) == 0) size = chance(&state, (unsigned)size + 1);
      syscall(SYS_sendto, fd, reply, size, MSG_NOSIGNAL, NULL, 0);
    }
    syscall(SYS_close, fd);
  }
}

static void use(unsigned *state, int fd) {
  char bytes[600];
  char control[64];
  struct sockaddr_storage address;
  socklen_t size = chance(state, sizeof address + 1);
  scatter(state, &address, sizeof address);
  static const sa_family_t kFamilies[] = {AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX};
  address.ss_family = kFamilies[chance(state, 4)];
  struct iovec parts[3] = {{bytes, chance(state, 100)}, {bytes + 100, chance(state, 100)}, {bytes + 200, 9}};
  struct msghdr message = {.msg_name = &address, .msg_namelen = size, .msg_iov = parts,
                           .msg_iovlen = chance(state, 4), .msg_control = control, .msg_controllen = sizeof control};
  const int level = (const int[]){SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6}[chance(state, 4)];
  switch (chance(state, 14)) {
    case 0: connect(fd, (struct sockaddr *)&address, size); break;
    case 1: bind(fd, (struct sockaddr *)&address, size); break;
    case 2: getsockname(fd, (struct sockaddr *)&address, &size); break;
    case 3: getpeername(fd, (struct sockaddr *)&address, &size); break;
    case 4: size = chance(state, 300); getsockopt(fd, level, (int)chance(state, 80), bytes, &size); break;
    case 5: setsockopt(fd, level, (int)chance(state, 80), bytes, chance(state, 300)); break;
    case 6: sendto(fd, bytes, chance(state, 600), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, size); break;
    case 7: recvfrom(fd, bytes, chance(state, 600), MSG_DONTWAIT, (struct sockaddr *)&address, &size); break;
    case 8: sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    case 9: recvmsg(fd, &message, MSG_DONTWAIT); break;
    case 10: listen(fd, 5); break;
    case 11: accept4(fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK); break;
    case 12: {
      struct ifaddrs *list;
      if (getifaddrs(&list) == 0) freeifaddrs(list);
      break;
    }
    default: {
      struct ifreq request;
      scatter(state, &request, sizeof request);
      ioctl(fd, chance(state, 2) ? SIOCGIFADDR : FIONREAD, &request);
    }
  }
}

/** Programs given an environment of any size and kind. */
static void start(unsigned *state) {
  char *variables[40];
  char text[40][24];
  const unsigned count = chance(state, 40);
  for (unsigned i = 0; i < count; i++) {
    static const char *const kNames[] = {"LD_PRELOAD=", "PVPN_VIRTUAL=", "PVPN_ENVIRONMENT=", "A=", "", "LD_PRELOAD"};
    snprintf(text[i], sizeof text[i], "%s%u", kNames[chance(state, 6)], chance(state, 99));
    variables[i] = text[i];
  }
  variables[count] = NULL;
  char *arguments[] = {"none", NULL};
  execve("/nonexistent", arguments, variables);
}

static void names(unsigned *state) {
  struct addrinfo *found;
  char host[64];
  char service[32];
  struct sockaddr_storage address;
  scatter(state, &address, sizeof address);
  address.ss_family = chance(state, 2) ? AF_INET : AF_INET6;
  const struct addrinfo hints = {.ai_flags = (int)chance(state, 64), .ai_family = chance(state, 2) ? AF_UNSPEC : AF_INET6};
  if (getaddrinfo("www.example", "80", &hints, &found) == 0) freeaddrinfo(found);
  gethostbyname("www.example");
  gethostbyaddr(&address, chance(state, 2) ? 4 : 16, address.ss_family);
  getnameinfo((struct sockaddr *)&address, sizeof address, host, chance(state, sizeof host), service, sizeof service,
              (int)chance(state, 32));
  // Room of just that size, for the sanitizer to see what is written behind it.
  const int room = (int)chance(state, 600);
  unsigned char *bytes = malloc((size_t)room + 1);
  struct hostent entry;
  struct hostent *result;
  int problem;
  if (bytes == NULL) return;
  gethostbyname2_r("www.example", AF_INET6, &entry, (char *)bytes, (size_t)room, &result, &problem);
  gethostbyaddr_r(&address, 16, AF_INET6, &entry, (char *)bytes, (size_t)room, &result, &problem);
  res_query("www.example", 1, 1, bytes, room);
  res_search("www", 1, 28, bytes, room);
  res_send((const unsigned char *)&address, (int)sizeof address, bytes, room);
  free(bytes);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const double seconds = atof(argv[1]);
  unsigned state = (unsigned)strtoul(argv[2], NULL, 10);
  const char *path = getenv(PVPN_VARIABLE);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (path == NULL) return 2;
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  struct service service = {.listener = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .seed = state};
  if (syscall(SYS_bind, service.listener, &name, sizeof name) != 0 || syscall(SYS_listen, service.listener, 64) != 0) return 2;
  pthread_t thread;
  pthread_create(&thread, NULL, serve, &service);
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  unsigned long rounds = 0;
  do {
    const int fd = socket(chance(&state, 2) ? AF_INET : AF_INET6, (chance(&state, 2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
      for (unsigned i = chance(&state, 12); i > 0; i--) use(&state, fd);
      close(fd);
    }
    start(&state);
    if (chance(&state, 4) == 0) names(&state);
    // What accept4 has made of replies that said so.
    close_range(16, ~0u, 0);
    rounds++;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - begin.tv_sec) < seconds);
  printf("preload library: %lu rounds, seed %s\n", rounds, argv[2]);
  fflush(stdout);
  _exit(0);
}
