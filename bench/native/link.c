/*
 * link LISTEN:PORT TARGET:PORT DELAY_MS LOSS_PPM [RATE_MBIT QUEUE_KB]: one UDP flow through a path of our
 * making (the kernels that we measure on have no netem). Each way: DELAY_MS, LOSS_PPM of a million datagrams
 * dropped at random (fixed seed), and where given a bottleneck of RATE_MBIT with a tail-drop queue of
 * QUEUE_KB. Answers go to whoever sent last. Ends with SIGTERM; prints counters then.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 16, SIZE = 2048, BATCH = 64, SOCKET_BUFFER = 16 << 20, ROUNDS = 16 };

struct datagram { double due; unsigned length; char bytes[SIZE]; };

/* One direction: a ring of datagrams ordered by when they are due. */
struct way {
  struct datagram *ring;
  unsigned head, tail;
  int from, to;
  const struct sockaddr_in *address; /* NULL: the socket is connected */
  double busy_until;                 /* when the bottleneck has sent all it took */
  unsigned long long passed, lost, full;
};

struct path { double delay; unsigned loss; double bytes_per_ms, queue_bytes; };

static volatile sig_atomic_t ended;
static void end(int number) { (void)number; ended = 1; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* xorshift64*: the same losses in each run. */
static unsigned chance(void) {
  static unsigned long long state = 88172645463325252ULL;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (unsigned)((state * 2685821657736338717ULL) >> 33) % 1000000;
}

static struct sockaddr_in parse(const char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  char host[64];
  const char *colon = strrchr(text, ':');
  size_t length = colon ? (size_t)(colon - text) : sizeof host;
  if (length < sizeof host) {
    memcpy(host, text, length);
    host[length] = 0;
    a.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) == 1) return a;
  }
  fprintf(stderr, "link: not an address: %s\n", text);
  exit(2);
}

/* Reads one batch. The number of datagrams read. */
static int take(struct way *w, const struct path *path, struct sockaddr_in *learn) {
  static struct sockaddr_in from[BATCH];
  struct mmsghdr messages[BATCH];
  struct iovec parts[BATCH];
  unsigned room = SLOTS - (w->tail - w->head);
  if (room == 0) return 0;
  unsigned most = room < BATCH ? room : BATCH;
  memset(messages, 0, sizeof messages);
  /* Straight into the ring; what is lost is overwritten by shifting, below. */
  for (unsigned i = 0; i < most; i++) {
    parts[i] = (struct iovec){w->ring[(w->tail + i) % SLOTS].bytes, SIZE};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof from[i]};
  }
  int n = recvmmsg(w->from, messages, most, MSG_DONTWAIT, NULL);
  double t = now();
  unsigned kept = w->tail;
  for (int i = 0; i < n; i++) {
    struct datagram *read = &w->ring[(w->tail + (unsigned)i) % SLOTS], *slot = &w->ring[kept % SLOTS];
    unsigned length = messages[i].msg_len;
    if (learn) *learn = from[i];
    if (chance() < path->loss) { w->lost++; continue; }
    double sent = t;
    if (path->bytes_per_ms > 0) {
      double begin = w->busy_until > t ? w->busy_until : t;
      if ((begin - t) * path->bytes_per_ms > path->queue_bytes) { w->full++; continue; }
      sent = w->busy_until = begin + length / path->bytes_per_ms;
    }
    if (slot != read) memcpy(slot->bytes, read->bytes, length);
    slot->length = length;
    slot->due = sent + path->delay;
    kept++;
  }
  w->tail = kept;
  return n;
}

static void give(struct way *w, double t) {
  while (w->head != w->tail && w->ring[w->head % SLOTS].due <= t) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    unsigned n = 0;
    memset(messages, 0, sizeof messages);
    for (unsigned i = w->head; i != w->tail && n < BATCH; i++, n++) {
      struct datagram *d = &w->ring[i % SLOTS];
      if (d->due > t) break;
      parts[n] = (struct iovec){d->bytes, d->length};
      messages[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
      if (w->address) {
        messages[n].msg_hdr.msg_name = (void *)w->address;
        messages[n].msg_hdr.msg_namelen = sizeof *w->address;
      }
    }
    int sent = sendmmsg(w->to, messages, n, 0);
    if (sent < 0 && errno == EAGAIN) return;
    w->passed += sent > 0 ? (unsigned)sent : 0;
    w->head += sent > 0 ? (unsigned)sent : 1; /* one that can't be sent is gone */
  }
}

static int open_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = SOCKET_BUFFER;
  if (fd < 0) { perror("link: socket"); exit(1); }
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 7) {
    fprintf(stderr, "usage: link LISTEN:PORT TARGET:PORT DELAY_MS LOSS_PPM [RATE_MBIT QUEUE_KB]\n");
    return 2;
  }
  struct sockaddr_in listen_on = parse(argv[1]), target = parse(argv[2]), client = {0};
  struct path path = {.delay = atof(argv[3]), .loss = (unsigned)atoi(argv[4])};
  if (argc == 7) {
    path.bytes_per_ms = atof(argv[5]) * 125;
    path.queue_bytes = atof(argv[6]) * 1e3;
  }
  int in = open_socket(), out = open_socket();
  if (bind(in, (void *)&listen_on, sizeof listen_on) || connect(out, (void *)&target, sizeof target)) {
    perror("link");
    return 1;
  }
  struct way up = {.from = in, .to = out}, down = {.from = out, .to = in, .address = &client};
  up.ring = calloc(SLOTS, sizeof *up.ring);
  down.ring = calloc(SLOTS, sizeof *down.ring);
  if (!up.ring || !down.ring) return 1;
  signal(SIGTERM, end);
  puts("ready");
  fflush(stdout);
  while (!ended) {
    double due = 1e18, t = now();
    if (up.head != up.tail) due = up.ring[up.head % SLOTS].due;
    if (down.head != down.tail && down.ring[down.head % SLOTS].due < due) due = down.ring[down.head % SLOTS].due;
    double wait = due > t + 100 ? 100 : due > t ? due - t : 0;
    struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)(wait * 1e6)};
    struct pollfd polled[2] = {{.fd = in, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    if (ppoll(polled, 2, &pause, NULL) > 0) {
      for (int i = 0; polled[0].revents && i < ROUNDS && take(&up, &path, &client) == BATCH; i++) continue;
      for (int i = 0; polled[1].revents && i < ROUNDS && take(&down, &path, NULL) == BATCH; i++) continue;
    }
    t = now();
    give(&up, t);
    if (client.sin_port) give(&down, t);
  }
  fprintf(stderr, "link: up %llu passed %llu lost %llu full, down %llu passed %llu lost %llu full\n", up.passed, up.lost, up.full,
          down.passed, down.lost, down.full);
  return 0;
}
