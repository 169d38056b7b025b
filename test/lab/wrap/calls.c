/**
 * Fetches a page by one of the ways that programs have to wait and to ask. Usage: calls WAY HOST PORT;
 * of `names` (three questions by one sendmmsg) the port is the name server's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char kRequest[] = "GET / HTTP/1.0\r\nHost: x\r\n\r\n";
static const char *gHost;
static const char *gPort;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static struct addrinfo *find(int type) {
  const struct addrinfo hints = {.ai_socktype = type};
  struct addrinfo *found;
  const int error = getaddrinfo(gHost, gPort, &hints, &found);
  if (error == 0) return found;
  fprintf(stderr, "%s: %s\n", gHost, gai_strerror(error));
  exit(1);
}

static void waitEpoll(int fd, int write) {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = (write ? EPOLLOUT : EPOLLIN) | EPOLLET};
  epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  if (epoll_wait(set, &event, 1, 10000) != 1) fail("epoll_wait");
  close(set);
}

static void waitSelect(int fd, int write) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  struct timeval limit = {.tv_sec = 10};
  if (select(fd + 1, write ? NULL : &set, write ? &set : NULL, NULL, &limit) != 1) fail("select");
}

static void waitPoll(int fd, int write) {
  struct pollfd polled = {.fd = fd, .events = write ? POLLOUT : POLLIN};
  if (poll(&polled, 1, 10000) != 1) fail("poll");
}

static void copy(int fd, void (*await)(int, int)) {
  char answer[4096];
  for (;;) {
    if (await != NULL) await(fd, 0);
    const ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < 0 && errno == EAGAIN) continue;
    if (got < 0) fail("recv");
    if (got == 0) return;
    fwrite(answer, 1, (size_t)got, stdout);
  }
}

/** A connection that is waited for: EINPROGRESS, then SO_ERROR. */
static void withoutBlocking(void (*await)(int, int)) {
  const struct addrinfo *to = find(SOCK_STREAM);
  const int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno != EINPROGRESS) fail("connect");
  await(fd, 1);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  if (error != 0) fail("connect");
  struct sockaddr_storage peer;
  size = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || size != to->ai_addrlen ||
      memcmp(&peer, to->ai_addr, 8) != 0) {
    fail("getpeername");
  }
  if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) fail("fcntl");
  if (send(fd, kRequest, sizeof kRequest - 1, MSG_NOSIGNAL) < 0) fail("send");
  copy(fd, await);
}

static int blocking(void) {
  const struct addrinfo *to = find(SOCK_STREAM);
  const int fd = socket(to->ai_family, SOCK_STREAM, 0);
  if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) fail("connect");
  return fd;
}

static void fastOpen(void) {
  const struct addrinfo *to = find(SOCK_STREAM);
  const int fd = socket(to->ai_family, SOCK_STREAM, 0);
  if (sendto(fd, kRequest, sizeof kRequest - 1, MSG_FASTOPEN, to->ai_addr, to->ai_addrlen) < 0) {
    fail("sendto");
  }
  copy(fd, NULL);
}

static void *thread(void *nothing) {
  const int fd = blocking();
  if (send(fd, kRequest, sizeof kRequest - 1, 0) < 0) fail("send");
  copy(fd, NULL);
  return nothing;
}

static void threads(void) {
  pthread_t all[16];
  for (int i = 0; i < 16; i++) pthread_create(&all[i], NULL, thread, NULL);
  for (int i = 0; i < 16; i++) pthread_join(all[i], NULL);
}

/** As programs do that become daemons: whatever is open, known or not. */
static void closeFrom(int first) {
  for (int fd = first; fd < 1024; fd++) close(fd);
}

/** The parent connects, its duplicate is the child's, who has no other descriptor and no variable. */
static void forked(void) {
  const int fd = dup(blocking());
  if (fork() == 0) {
    clearenv();
    dup2(fd, 3);
    closeFrom(4);
    if (send(3, kRequest, sizeof kRequest - 1, 0) < 0) fail("send");
    copy(3, NULL);
    exit(0);
  }
  int status;
  wait(&status);
  if (status != 0) exit(1);
  gPort = "80";
  clearenv();
  closeFrom(3);
  thread(NULL);
}

static void names(void) {
  unsigned char query[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\6office\7example\0\0\1\0\1";
  const struct addrinfo *to = find(SOCK_DGRAM);
  const int fd = socket(to->ai_family, SOCK_DGRAM, 0);
  struct iovec part = {.iov_base = query, .iov_len = sizeof query - 1};
  struct mmsghdr messages[3];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 3; i++) {
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &part,
                                          .msg_iovlen = 1,
                                          .msg_name = to->ai_addr,
                                          .msg_namelen = to->ai_addrlen};
  }
  if (sendmmsg(fd, messages, 3, 0) != 3) fail("sendmmsg");
  for (int i = 0; i < 3; i++) {
    unsigned char answer[512];
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    waitPoll(fd, 0);
    const ssize_t got = recvfrom(fd, answer, sizeof answer, 0, (struct sockaddr *)&from, &size);
    if (got < 16) fail("recvfrom");
    if (size != to->ai_addrlen || memcmp(&from, to->ai_addr, 8) != 0) fail("from another");
    const unsigned char *a = answer + got - 4;
    printf("%d.%d.%d.%d\n", a[0], a[1], a[2], a[3]);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const char *way = argv[1];
  gHost = argv[2];
  gPort = argv[3];
  if (strcmp(way, "epoll") == 0) withoutBlocking(waitEpoll);
  else if (strcmp(way, "select") == 0) withoutBlocking(waitSelect);
  else if (strcmp(way, "poll") == 0) withoutBlocking(waitPoll);
  else if (strcmp(way, "fastopen") == 0) fastOpen();
  else if (strcmp(way, "threads") == 0) threads();
  else if (strcmp(way, "fork") == 0) forked();
  else if (strcmp(way, "names") == 0) names();
  else return 2;
  return 0;
}
