/** Fetches a page by system calls of its own: no library could be in between. Usage: raw-client ADDRESS [uring] */
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/** Connects by io_uring's own operation; 0 or a negative errno. */
static int connectByRing(int fd, struct sockaddr_in *to) {
  struct io_uring_params p;
  memset(&p, 0, sizeof p);
  const long ring = syscall(SYS_io_uring_setup, 4, &p);
  if (ring < 0) return -100;
  char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED,
                  (int)ring, IORING_OFF_SQ_RING);
  char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
                  PROT_READ | PROT_WRITE, MAP_SHARED, (int)ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe *sqe = mmap(NULL, p.sq_entries * sizeof *sqe, PROT_READ | PROT_WRITE,
                                  MAP_SHARED, (int)ring, IORING_OFF_SQES);
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = IORING_OP_CONNECT;
  sqe->fd = fd;
  sqe->addr = (uintptr_t)to;
  sqe->off = sizeof *to;
  *(uint32_t *)(sq + p.sq_off.array) = 0;
  __atomic_store_n((uint32_t *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -101;
  return ((struct io_uring_cqe *)(cq + p.cq_off.cqes))[0].res;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  const int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  const long connected = argc > 2 ? connectByRing(fd, &to) : syscall(SYS_connect, fd, &to, sizeof to);
  if (connected != 0) {
    fprintf(stderr, "connect: %ld\n", connected);
    return 1;
  }
  const char request[] = "GET / HTTP/1.0\r\nHost: x\r\n\r\n";
  syscall(SYS_sendto, fd, request, sizeof request - 1, 0, NULL, 0);
  char answer[4096];
  for (long got; (got = syscall(SYS_recvfrom, fd, answer, sizeof answer, 0, NULL, NULL)) > 0;) {
    if (write(1, answer, (size_t)got) < 0) return 1;
  }
  return 0;
}
