/*
 * load MODE PROXY_PORT TARGET TARGET_PORT STREAMS SECONDS: drives one SOCKS5 port of 127.0.0.1 and prints JSON.
 *   down, up   STREAMS transfers for SECONDS: bytes
 *   connect    STREAMS at a time, each: connect, GET /, read, close: count and failures
 *   latency    one after another, the same request: milliseconds, p50 and p99
 *   udp        UDP ASSOCIATE, STREAMS datagrams of 200 bytes a second: count sent, failed: those that did not arrive
 * PROXY_PORT 0: straight to the target, as a program of `pvpn-wrap` does (not udp).
 * One thread, epoll. Bounded by SECONDS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, BLOCK = 1 << 18, SAMPLES = 100000 };
enum step { CONNECTING, METHOD, REPLY, ANSWER, UPLOAD };

struct stream { int fd; enum step step; size_t got; double start; char in[64]; };

static struct sockaddr_in proxy, target;
static int straight;
static enum { DOWN, UP, CONNECT, LATENCY, UDP } mode;
static char block[BLOCK];
static double samples[SAMPLES];
static unsigned long long bytes, count, failed;

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6; }

static void begin(int poller, struct stream *s) {
  int one = 1;
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) { perror("load: socket"); exit(1); }
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  s->step = CONNECTING;
  s->got = 0;
  s->start = now();
  connect(s->fd, straight ? (void *)&target : (void *)&proxy, sizeof proxy);
  struct epoll_event e = {.events = EPOLLOUT, .data.ptr = s};
  epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &e);
}

static void want(int poller, struct stream *s, unsigned events) {
  struct epoll_event e = {.events = events, .data.ptr = s};
  epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &e);
}

static int put(struct stream *s, const void *data, size_t size) { return send(s->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1; }

static int request(struct stream *s) {
  static const char small[] = "GET / HTTP/1.0\r\nHost: x\r\n\r\n", down[] = "GET /big?n=1000000000000 HTTP/1.1\r\nHost: x\r\n\r\n",
                    up[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n";
  const char *text = mode == DOWN ? down : mode == UP ? up : small;
  return put(s, text, strlen(text));
}

/* 1: this request is done; -1: it failed. */
static int step(int poller, struct stream *s) {
  ssize_t n;
  switch (s->step) {
    case CONNECTING:
      if (straight) {
        if (request(s)) return -1;
        s->step = mode == UP ? UPLOAD : ANSWER;
        if (mode != UP) want(poller, s, EPOLLIN);
        return 0;
      }
      if (put(s, "\x05\x01\x00", 3)) return -1;
      s->step = METHOD;
      want(poller, s, EPOLLIN);
      return 0;
    case METHOD:
    case REPLY: {
      size_t size = s->step == METHOD ? 2 : 10;
      if ((n = read(s->fd, s->in + s->got, size - s->got)) <= 0) return -1;
      if ((s->got += (size_t)n) < size) return 0;
      s->got = 0;
      if (s->in[1] != 0) return -1;
      if (s->step == REPLY) {
        if (request(s)) return -1;
        s->step = mode == UP ? UPLOAD : ANSWER;
        if (mode == UP) want(poller, s, EPOLLOUT);
        return 0;
      }
      char c[10] = {5, 1, 0, 1};
      memcpy(c + 4, &target.sin_addr, 4);
      memcpy(c + 8, &target.sin_port, 2);
      s->step = REPLY;
      return put(s, c, sizeof c);
    }
    case ANSWER:
      if ((n = read(s->fd, block, sizeof block)) < 0) return errno == EAGAIN ? 0 : -1;
      bytes += (unsigned long long)n;
      if (mode == DOWN) return n == 0 ? -1 : 0;
      return n > 0 ? 1 : -1;
    case UPLOAD:
      if ((n = send(s->fd, block, sizeof block, MSG_NOSIGNAL)) < 0) return errno == EAGAIN ? 0 : -1;
      bytes += (unsigned long long)n;
      return 0;
  }
  return -1;
}

static void must(int good, const char *what) {
  if (good) return;
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* Paced by the millisecond; then asks the origin how many arrived. */
static void datagrams(unsigned rate, double seconds) {
  enum { PAYLOAD = 200, HEAD = 10, BATCH = 256 };
  char reply[10], packet[HEAD + PAYLOAD] = {0, 0, 0, 1};
  struct sockaddr_in relay = proxy;
  struct timeval patience = {.tv_sec = 2};
  int control = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
  must(connect(control, (void *)&proxy, sizeof proxy) == 0, "connect");
  must(write(control, "\x05\x01\x00", 3) == 3 && recv(control, reply, 2, MSG_WAITALL) == 2, "greeting");
  must(write(control, "\x05\x03\x00\x01\0\0\0\0\0\0", 10) == 10 && recv(control, reply, 10, MSG_WAITALL) == 10 && reply[1] == 0, "UDP ASSOCIATE");
  memcpy(&relay.sin_port, reply + 8, 2);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  must(connect(fd, (void *)&relay, sizeof relay) == 0, "connect to the relay");
  memcpy(packet + 4, &target.sin_addr, 4);
  memcpy(packet + 8, &target.sin_port, 2);
  struct iovec part = {packet, sizeof packet};
  struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  double start = now(), t;
  while ((t = now() - start) < seconds * 1e3) {
    unsigned long long due = (unsigned long long)(t * rate / 1e3);
    while (count < due) {
      unsigned n = due - count < BATCH ? (unsigned)(due - count) : BATCH;
      int sent = sendmmsg(fd, messages, n, 0);
      must(sent > 0, "send");
      count += (unsigned)sent;
    }
    usleep(1000);
  }
  usleep(300000);
  char answer[64] = "", question[HEAD + 1];
  memcpy(question, packet, HEAD);
  question[HEAD] = '?';
  ssize_t n = -1;
  for (int i = 0; i < 5 && n <= HEAD; i++) {
    must(send(fd, question, sizeof question, 0) > 0, "send");
    n = recv(fd, answer, sizeof answer - 1, 0);
  }
  must(n > HEAD, "the origin does not say what arrived");
  unsigned long long arrived = strtoull(answer + HEAD, NULL, 10);
  failed = count > arrived ? count - arrived : 0;
  bytes = arrived * PAYLOAD;
}

static int ascending(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return x < y ? -1 : x > y; }

int main(int argc, char **argv) {
  if (argc != 7) { fprintf(stderr, "usage: load down|up|connect|latency|udp PROXY_PORT TARGET TARGET_PORT STREAMS SECONDS\n"); return 2; }
  mode = !strcmp(argv[1], "down") ? DOWN : !strcmp(argv[1], "up") ? UP : !strcmp(argv[1], "connect") ? CONNECT : !strcmp(argv[1], "udp") ? UDP : LATENCY;
  proxy = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[4]))};
  straight = proxy.sin_port == 0;
  int streams = mode == LATENCY ? 1 : atoi(argv[5]), poller = epoll_create1(EPOLL_CLOEXEC);
  double seconds = atof(argv[6]), end;
  if (inet_pton(AF_INET, argv[3], &target.sin_addr) != 1 || (straight && mode == UDP) || streams < 1 || (streams > MOST && mode != UDP) || seconds <= 0 || seconds > 600) return 2;
  static struct stream all[MOST];
  struct epoll_event events[MOST];
  double start = now();
  end = start + seconds * 1e3;
  if (mode == UDP) datagrams((unsigned)streams, seconds);
  else for (int i = 0; i < streams; i++) begin(poller, &all[i]);
  while (mode != UDP && now() < end) {
    int n = epoll_wait(poller, events, MOST, 50);
    for (int i = 0; i < n; i++) {
      struct stream *s = events[i].data.ptr;
      int done = step(poller, s);
      if (!done) continue;
      close(s->fd);
      if (done < 0) failed++;
      else if (count++ < SAMPLES) samples[count - 1] = now() - s->start;
      if (failed > 100000) { fprintf(stderr, "load: too many failures\n"); return 1; }
      begin(poller, s);
    }
  }
  double took = (now() - start) / 1e3;
  size_t kept = mode == UDP ? 0 : count < SAMPLES ? count : SAMPLES;
  qsort(samples, kept, sizeof *samples, ascending);
  printf("{\"seconds\":%.3f,\"bytes\":%llu,\"count\":%llu,\"failed\":%llu,\"p50\":%.3f,\"p99\":%.3f}\n", took, bytes, count, failed,
         kept ? samples[kept / 2] : 0, kept ? samples[kept * 99 / 100] : 0);
  return 0;
}
