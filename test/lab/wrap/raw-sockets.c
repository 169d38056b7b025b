/* raw tcp|udp ADDRESS PORT, raw packet: by system calls alone, with nothing of the C library between. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc == 2) {
    const long fd = syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0x0300);
    puts(fd < 0 ? "failed" : "opened");
    return fd < 0;
  }
  if (argc != 4) return 2;
  const int type = strcmp(argv[1], "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &to.sin_addr);
  const struct timeval limit = {.tv_sec = 3};
  const int fd = (int)syscall(SYS_socket, AF_INET, type, 0);
  syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  char byte = 'x';
  int good = fd >= 0 && syscall(SYS_connect, fd, &to, sizeof to) == 0;
  if (good && type == SOCK_DGRAM) {
    good = syscall(SYS_write, fd, &byte, 1) == 1 && syscall(SYS_read, fd, &byte, 1) == 1;
  }
  puts(good ? "connected" : "failed");
  return !good;
}
