/*
 * origin ADDRESS PORT: a web server that is no bottleneck, for the far side of a benchmark.
 *   GET /            a short answer, connection kept
 *   GET /big?n=N     N bytes
 *   POST             reads and counts Content-Length bytes
 *   UDP              counts datagrams; one of a single byte is answered with the count, which begins anew
 * One thread, epoll, level-triggered; ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, BLOCK = 1 << 18, EVENTS = 256, BACKLOG = 4096 };

struct client {
  int fd;
  int closing;                /* close once everything is sent */
  size_t head;                /* bytes of a request head so far */
  unsigned long long reading; /* bytes of a body still to come */
  unsigned long long sending; /* bytes of a body still to send */
  size_t text_at, text;       /* an answer's head, and what of it is sent */
  char in[HEAD_MAX + 1], out[256];
};

static char block[BLOCK];

static void watch(int poller, struct client *c, int operation) {
  unsigned busy = c->text > c->text_at || c->sending > 0;
  struct epoll_event e = {.events = busy ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  epoll_ctl(poller, operation, c->fd, &e);
}

static void answer(struct client *c, unsigned long long length, const char *body) {
  c->text = (size_t)snprintf(c->out, sizeof c->out, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n%s", length, body);
  c->text_at = 0;
}

/* Takes one request head off the buffer. 0: none is whole yet. */
static int parse(struct client *c) {
  c->in[c->head] = 0;
  char *end = strstr(c->in, "\r\n\r\n");
  if (!end) return 0;
  size_t size = (size_t)(end - c->in) + 4;
  char *big = strstr(c->in, "/big?n="), *length = strcasestr(c->in, "content-length:");
  c->closing = strstr(c->in, "HTTP/1.0") != NULL;
  if (!strncmp(c->in, "POST", 4)) {
    unsigned long long body = length && length < end ? strtoull(length + 15, NULL, 10) : 0, here = c->head - size;
    c->reading = body > here ? body - here : 0;
    c->head = 0;
    if (c->reading == 0) answer(c, 3, "ok\n");
    return 1;
  }
  if (big && big < end) {
    c->sending = strtoull(big + 7, NULL, 10);
    answer(c, c->sending, "");
  } else {
    answer(c, 3, "ok\n");
  }
  memmove(c->in, c->in + size, c->head - size);
  c->head -= size;
  return 1;
}

/* -1: the connection is done. */
static int readable(struct client *c) {
  static char sink[BLOCK];
  if (c->reading > 0) {
    ssize_t n = read(c->fd, sink, c->reading < sizeof sink ? c->reading : sizeof sink);
    if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
    c->reading -= (unsigned long long)n;
    if (c->reading == 0) answer(c, 3, "ok\n");
    return 0;
  }
  ssize_t n = read(c->fd, c->in + c->head, HEAD_MAX - c->head);
  if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
  c->head += (size_t)n;
  if (!parse(c) && c->head == HEAD_MAX) return -1;
  return 0;
}

static int writable(struct client *c) {
  while (c->text > c->text_at || c->sending > 0) {
    int text = c->text > c->text_at;
    size_t size = text ? c->text - c->text_at : c->sending < BLOCK ? (size_t)c->sending : BLOCK;
    ssize_t n = send(c->fd, text ? c->out + c->text_at : block, size, MSG_NOSIGNAL | (text && c->sending ? MSG_MORE : 0));
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    if (text) c->text_at += (size_t)n;
    else c->sending -= (unsigned long long)n;
  }
  if (c->closing) return -1;
  if (c->head > 0) parse(c);
  return 0;
}

/* Counts what waits. */
static void count_datagrams(int fd) {
  static unsigned long long counted;
  static char bytes[64][2048];
  struct sockaddr_in from;
  struct mmsghdr messages[64];
  struct iovec parts[64];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 64; i++) {
    parts[i] = (struct iovec){bytes[i], sizeof bytes[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  /* Who asks is the only one who sends. */
  messages[0].msg_hdr.msg_name = &from;
  messages[0].msg_hdr.msg_namelen = sizeof from;
  int n = recvmmsg(fd, messages, 64, MSG_DONTWAIT, NULL);
  for (int i = 0; i < n; i++) {
    if (messages[i].msg_len > 1) { counted++; continue; }
    char text[32];
    int length = snprintf(text, sizeof text, "%llu", counted);
    counted = 0;
    sendto(fd, text, (size_t)length, 0, (void *)&from, sizeof from);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) { fprintf(stderr, "usage: origin ADDRESS PORT\n"); return 2; }
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &a.sin_addr) != 1) return 2;
  memset(block, 'x', sizeof block);
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, poller = epoll_create1(EPOLL_CLOEXEC);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&a, sizeof a) || listen(listener, BACKLOG)) { perror("origin"); return 1; }
  int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), buffer = 8 << 20;
  setsockopt(datagrams, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  if (bind(datagrams, (void *)&a, sizeof a)) { perror("origin: UDP"); return 1; }
  struct epoll_event e = {.events = EPOLLIN}, events[EVENTS];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  e.data.ptr = &datagrams;
  epoll_ctl(poller, EPOLL_CTL_ADD, datagrams, &e);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int n = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct client *c = events[i].data.ptr;
      if (events[i].data.ptr == &datagrams) { count_datagrams(datagrams); continue; }
      if (!c) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!(c = calloc(1, sizeof *c))) { close(fd); continue; }
        c->fd = fd;
        watch(poller, c, EPOLL_CTL_ADD);
        continue;
      }
      int done = events[i].events & (EPOLLERR) ? -1 : 0;
      if (!done && events[i].events & (EPOLLIN | EPOLLHUP)) done = readable(c);
      if (!done) done = writable(c);
      if (done) { close(c->fd); free(c); }
      else watch(poller, c, EPOLL_CTL_MOD);
    }
  }
}
