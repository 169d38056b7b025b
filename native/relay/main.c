/*
 * pvpn-tun-relay SOCKET: the script of `openconnect --script-tun`. Hands the descriptor of the packets
 * (VPNFD) and what the server has given (variables) to the environment's process, and then stays:
 * openconnect ends with its script, so it ends when that process does.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 65536 };

extern char **environ;

static char text[MOST];

static int wanted(const char *entry) {
  return (strncmp(entry, "INTERNAL_IP", 11) == 0 || strncmp(entry, "CISCO_DEF_DOMAIN=", 17) == 0 ||
          strncmp(entry, "CISCO_BANNER=", 13) == 0 ||
          strncmp(entry, "CISCO_SPLIT_", 12) == 0 || strncmp(entry, "CISCO_IPV6_SPLIT_", 17) == 0 ||
          strncmp(entry, "VPNGATEWAY=", 11) == 0);
}

/* Entries, each with its zero, then one more zero; what finds no room is left out. */
static size_t collect(void) {
  size_t size = 0;
  for (char **entry = environ; *entry != NULL; entry++) {
    const size_t length = strlen(*entry) + 1;
    if (!wanted(*entry) || length > MOST - 1 - size) continue;
    memcpy(text + size, *entry, length);
    size += length;
  }
  text[size++] = '\0';
  return size;
}

static int dial(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof to.sun_path) return -1;
  strcpy(to.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* The descriptor goes with the first bytes. */
static int hand(int to, int packets, size_t size) {
  struct iovec part = {text, size};
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof packets)];
  } control = {0};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control.room};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof packets);
  memcpy(CMSG_DATA(head), &packets, sizeof packets);
  ssize_t sent = sendmsg(to, &message, MSG_NOSIGNAL);
  for (size_t at = 0; sent > 0 && (at += (size_t)sent) < size;) {
    sent = send(to, text + at, size - at, MSG_NOSIGNAL);
  }
  return sent > 0 ? 0 : -1;
}

int main(int argc, char **argv) {
  const pid_t parent = getppid();
  const char *number = getenv("VPNFD");
  if (argc != 2 || number == NULL) return 2;
  const int packets = atoi(number);
  if (packets < 3 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) return 2;
  const int to = dial(argv[1]);
  if (to >= 0 && hand(to, packets, collect()) == 0) {
    char byte;
    ssize_t size;
    close(packets);
    do size = read(to, &byte, 1);
    while (size > 0 || (size < 0 && errno == EINTR));
  }
  /* While it waits for the server openconnect does not look after its script. */
  if (getppid() == parent) kill(parent, SIGINT);
  return 0;
}
