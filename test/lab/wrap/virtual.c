/**
 * What a program may expect of sockets, asked of virtual ones. Usage: virtual CASE SERVER; prints "ok",
 * or the line that was not so. The server has HTTP at port 80 and an echo of datagrams at port 7.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDS(what)                                                                 \
  do {                                                                              \
    if (!(what)) {                                                                  \
      fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #what, strerror(errno));      \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

static const char kRequest[] = "GET / HTTP/1.0\r\nHost: x\r\n\r\n";
extern char **environ;

static struct sockaddr_in at(const char *host, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, host, &a.sin_addr);
  return a;
}

static int ask(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  HOLDS(getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

static int connected(const char *host) {
  const struct sockaddr_in to = at(host, 80);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HOLDS(connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
  return fd;
}

static void options(const char *host) {
  errno = 77;
  const int fd = connected(host);
  HOLDS(errno == 77);
  struct stat found;
  HOLDS(fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode));
  HOLDS(ask(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && ask(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET);
  HOLDS(ask(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP && ask(fd, SOL_SOCKET, SO_ERROR) == 0);
  const int one = 1;
  HOLDS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
  HOLDS(ask(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  const int room = 50000;
  HOLDS(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
  HOLDS(ask(fd, SOL_SOCKET, SO_RCVBUF) == 2 * room);
  HOLDS(setsockopt(fd, IPPROTO_IP, IP_TOS, &one, sizeof one) == 0 && ask(fd, IPPROTO_IP, IP_TTL) == 64);
  struct tcp_info info;
  socklen_t size = sizeof info;
  HOLDS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_ESTABLISHED);
  HOLDS(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) != 0);
  HOLDS((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  struct sockaddr_in name;
  size = sizeof name;
  HOLDS(getpeername(fd, (struct sockaddr *)&name, &size) == 0 && size == sizeof name);
  HOLDS(name.sin_port == htons(80) && name.sin_addr.s_addr == at(host, 80).sin_addr.s_addr);
  HOLDS(getsockname(fd, (struct sockaddr *)&name, &size) == 0 && name.sin_port != 0);
  const struct sockaddr_in to = at(host, 80);
  HOLDS(connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno == EISCONN);
  const int six = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
  char text[64];
  snprintf(text, sizeof text, "::ffff:%s", host);
  inet_pton(AF_INET6, text, &mapped.sin6_addr);
  HOLDS(connect(six, (struct sockaddr *)&mapped, sizeof mapped) == 0);
  struct sockaddr_in6 peer;
  size = sizeof peer;
  HOLDS(getpeername(six, (struct sockaddr *)&peer, &size) == 0 && size == sizeof peer);
  HOLDS(memcmp(&peer.sin6_addr, &mapped.sin6_addr, 16) == 0);
}

#ifdef __x86_64__
static sigjmp_buf no_i386;

static void faulted(int number) {
  (void)number;
  siglongjmp(no_i386, 1);
}
#endif

static void refusals(const char *host) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  char byte;
  HOLDS(recv(fd, &byte, 1, 0) < 0 && errno == ENOTCONN);
  HOLDS(send(fd, &byte, 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
  HOLDS(shutdown(fd, SHUT_WR) != 0 && errno == ENOTCONN);
  struct sockaddr_in to = at(host, 81);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno == ECONNREFUSED);
  to = at(host, 80);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  const int late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  to = at(host, 81);
  HOLDS(connect(late, (struct sockaddr *)&to, sizeof to) != 0 && errno == EINPROGRESS);
  struct pollfd polled = {.fd = late, .events = POLLOUT};
  HOLDS(poll(&polled, 1, 10000) == 1 && (polled.revents & (POLLERR | POLLHUP)) != 0);
  HOLDS(ask(late, SOL_SOCKET, SO_ERROR) == ECONNREFUSED && ask(late, SOL_SOCKET, SO_ERROR) == 0);
  to = at("198.51.100.1", 80);
  HOLDS(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to) != 0);
  HOLDS(errno == ENETUNREACH || errno == EHOSTUNREACH);
  HOLDS(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 && errno == EPERM);
  HOLDS(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EACCES);
  HOLDS(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EACCES);
  HOLDS(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES);
  HOLDS(syscall(SYS_socket, AF_INET6, SOCK_DGRAM, 0) < 0 && errno == EACCES);
  HOLDS(syscall(SYS_socket, 40, SOCK_STREAM, 0) < 0 && errno == EACCES);
  HOLDS(syscall(425, 8, NULL) < 0 && errno == ENOSYS);
  HOLDS(syscall(438, 0, 0, 0) < 0 && errno == EPERM);
#ifdef __x86_64__
  HOLDS(syscall(SYS_socket | 0x40000000, AF_UNIX, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
  // A kernel without 32-bit system calls faults: nothing gets past us that way either.
  signal(SIGSEGV, faulted);
  if (sigsetjmp(no_i386, 1) == 0) {
    long i386;
    __asm__ volatile("int $0x80" : "=a"(i386) : "a"(359), "b"(AF_INET), "c"(SOCK_STREAM), "d"(0) : "memory");
    HOLDS(i386 == -ENOSYS);
  }
  signal(SIGSEGV, SIG_DFL);
#endif
}

static void datagrams(const char *host) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = at(host, 7);
  struct iovec parts[3][2];
  struct mmsghdr messages[3];
  char bytes[3][100];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 3; i++) {
    parts[i][0] = (struct iovec){"datagram ", 9};
    parts[i][1] = (struct iovec){"abc" + i, 1};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts[i], .msg_iovlen = 2};
  }
  HOLDS(sendmmsg(fd, messages, 3, 0) == 3 && messages[2].msg_len == 10);
  int got = 0;
  while (got < 3) {
    struct sockaddr_in from;
    for (int i = got; i < 3; i++) {
      parts[i][0] = (struct iovec){bytes[i], sizeof bytes[i]};
      messages[i].msg_hdr = (struct msghdr){
          .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = parts[i], .msg_iovlen = 1};
    }
    const int more = recvmmsg(fd, messages + got, (unsigned)(3 - got), MSG_WAITFORONE, NULL);
    HOLDS(more > 0 && from.sin_port == htons(7) && from.sin_addr.s_addr == to.sin_addr.s_addr);
    got += more;
  }
  HOLDS(memcmp(bytes[0], "office datagram ", 16) == 0);
  HOLDS(write(fd, "x", 1) < 0 && errno == EDESTADDRREQ);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  HOLDS(write(fd, "plain", 5) == 5);
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  HOLDS(poll(&polled, 1, 10000) == 1);
  int waiting = 0;
  HOLDS(ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 12);
  HOLDS(read(fd, bytes[0], sizeof bytes[0]) == 12 && memcmp(bytes[0], "office plain", 12) == 0);
  const struct sockaddr none = {.sa_family = AF_UNSPEC};
  HOLDS(connect(fd, &none, sizeof none) == 0);
  HOLDS(sendto(fd, "again", 5, 0, (struct sockaddr *)&to, sizeof to) == 5);
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  HOLDS(recvfrom(fd, bytes[0], 8, MSG_TRUNC, (struct sockaddr *)&from, &size) == 12);
  HOLDS(size == sizeof from && from.sin_port == htons(7));
  // Nobody listens there: ICMP says so.
  to = at(host, 9);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, "x", 1, 0) == 1);
  HOLDS(recv(fd, bytes[0], 1, 0) < 0 && errno == ECONNREFUSED);
}

static void *client(void *port) {
  struct sockaddr_in to = at("127.0.0.1", 0);
  to.sin_port = *(in_port_t *)port;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  HOLDS(write(fd, "question", 8) == 8 && shutdown(fd, SHUT_WR) == 0);
  char answer[16];
  HOLDS(recv(fd, answer, sizeof answer, MSG_WAITALL) == 6 && memcmp(answer, "answer", 6) == 0);
  close(fd);
  return NULL;
}

static void servers(const char *host) {
  (void)host;
  struct sockaddr_in name = at("127.0.0.1", 0);
  const int one = 1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  HOLDS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
  HOLDS(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 16) == 0);
  socklen_t size = sizeof name;
  HOLDS(getsockname(fd, (struct sockaddr *)&name, &size) == 0 && name.sin_port != 0);
  HOLDS(ask(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
  HOLDS(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
  const int taken = socket(AF_INET, SOCK_STREAM, 0);
  HOLDS(bind(taken, (struct sockaddr *)&name, sizeof name) != 0 && errno == EADDRINUSE);
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, client, &name.sin_port);
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  for (int served = 0; served < 8;) {
    HOLDS(epoll_wait(set, &event, 1, 10000) == 1);
    struct sockaddr_in peer;
    size = sizeof peer;
    const int got = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    if (got < 0 && errno == EAGAIN) continue;
    HOLDS(got >= 0 && size == sizeof peer && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    char question[16];
    HOLDS(recv(got, question, sizeof question, MSG_WAITALL) == 8);
    HOLDS(send(got, "answer", 6, 0) == 6);
    close(got);
    served++;
  }
  for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  close(fd);
  usleep(200000);
  HOLDS(connect(taken, (struct sockaddr *)&name, sizeof name) != 0 && errno == ECONNREFUSED);
}

/** Port 9002 drops what comes: nothing is writable before it is connected. */
static void silence(const char *host) {
  struct sockaddr_in to = at(host, 9002);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const struct timeval patience = {.tv_usec = 300000};
  HOLDS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
  HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno == EINPROGRESS);
  const int late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  HOLDS(connect(late, (struct sockaddr *)&to, sizeof to) != 0 && errno == EINPROGRESS);
  HOLDS(connect(late, (struct sockaddr *)&to, sizeof to) != 0 && errno == EALREADY);
  struct pollfd polled = {.fd = late, .events = POLLIN | POLLOUT};
  HOLDS(poll(&polled, 1, 500) == 0);
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  HOLDS(getpeername(late, (struct sockaddr *)&name, &size) != 0 && errno == ENOTCONN);
  HOLDS(ask(late, SOL_SOCKET, SO_ERROR) == 0);
  char byte;
  HOLDS(recv(late, &byte, 1, 0) < 0 && errno == EAGAIN);
}

/** The server's far end resets: said by read and by recv, once, then it is the end. */
static void cut(const char *host) {
  struct sockaddr_in to = at(host, 9001);
  for (int i = 0; i < 2; i++) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    HOLDS(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, "x", 1, 0) == 1);
    char bytes[9];
    errno = 0;
    const ssize_t got = i == 0 ? read(fd, bytes, sizeof bytes) : recv(fd, bytes, sizeof bytes, 0);
    HOLDS(got < 0 && errno == ECONNRESET);
    HOLDS(recv(fd, bytes, sizeof bytes, 0) == 0);
    signal(SIGPIPE, SIG_IGN);
    HOLDS(send(fd, "x", 1, 0) < 0 && errno == EPIPE);
  }
}

static void copies(const char *host) {
  const int fd = connected(host);
  const int number = 9;
  HOLDS(dup2(fd, number) == number);
  close(fd);
  HOLDS(writev(number, (struct iovec[]){{(void *)kRequest, 10}, {(void *)(kRequest + 10), sizeof kRequest - 11}}, 2) ==
        sizeof kRequest - 1);
  // A copy of the descriptor in a program that was given no variables, by vfork and exec.
  fcntl(number, F_SETFD, 0);
  char *arguments[] = {"sh", "-c", "cat <&9 | grep -c 'office 192'", NULL};
  char *nothing[] = {NULL};
  const pid_t child = vfork();
  if (child == 0) {
    execve("/bin/sh", arguments, nothing);
    _exit(1);
  }
  int status;
  HOLDS(waitpid(child, &status, 0) == child && status == 0);
  pid_t spawned;
  char url[64];
  snprintf(url, sizeof url, "http://%s/", host);
  char *curl[] = {"curl", "-sm9", "-o", "/dev/null", url, NULL};
  HOLDS(posix_spawn(&spawned, "/usr/bin/curl", NULL, NULL, curl, nothing) == 0);
  HOLDS(waitpid(spawned, &status, 0) == spawned && status == 0);
  clearenv();
  HOLDS(system("/usr/bin/curl -sm9 -o /dev/null http://192.168.11.10/") == 0);
  const int file = open("/proc/self/exe", O_RDONLY);
  const int other = connected(host);
  HOLDS(send(other, "POST / HTTP/1.0\r\n", 17, MSG_MORE) == 17 && sendfile(other, file, NULL, 4096) == 4096);
}

static void interfaces(const char *host) {
  (void)host;
  struct ifaddrs *list;
  HOLDS(getifaddrs(&list) == 0);
  int own = 0;
  for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
    if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET) continue;
    char text[64];
    inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, sizeof text);
    own += strcmp(text, "192.168.9.52") == 0;
    HOLDS(strcmp(text, "192.168.9.52") == 0 || strcmp(text, "127.0.0.1") == 0);
  }
  freeifaddrs(list);
  HOLDS(own == 1);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(const char *host);
  } kCases[] = {{"options", options}, {"refusals", refusals}, {"datagrams", datagrams},
                {"servers", servers}, {"copies", copies},     {"interfaces", interfaces},
                {"cut", cut},         {"silence", silence}};
  if (argc != 3) return 2;
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    if (strcmp(argv[1], kCases[i].name) != 0) continue;
    kCases[i].run(argv[2]);
    puts("ok");
    return 0;
  }
  return 2;
}
