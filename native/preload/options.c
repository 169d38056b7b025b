/** Socket options, as a TCP or UDP socket would take and tell them: nothing of them reaches the Unix socket. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "preload.h"

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

/** What an option tells until it is set: those that programs ask for. */
struct standard {
  int level;
  int name;
  int value;
};

static const struct standard kStandards[] = {
    {SOL_SOCKET, SO_SNDBUF, 212992},       {SOL_SOCKET, SO_RCVBUF, 212992},
    {SOL_SOCKET, SO_PRIORITY, 0},          {SOL_SOCKET, SO_MARK, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 0},         {SOL_SOCKET, SO_REUSEADDR, 0},
    {SOL_SOCKET, SO_REUSEPORT, 0},         {SOL_SOCKET, SO_BROADCAST, 0},
    {SOL_SOCKET, SO_DONTROUTE, 0},         {SOL_SOCKET, SO_OOBINLINE, 0},
    {SOL_SOCKET, SO_TIMESTAMP, 0},         {SOL_SOCKET, SO_RCVLOWAT, 1},
    {SOL_SOCKET, SO_SNDLOWAT, 1},          {SOL_SOCKET, SO_BUSY_POLL, 0},
    {SOL_SOCKET, SO_INCOMING_CPU, 0},      {IPPROTO_TCP, TCP_NODELAY, 0},
    {IPPROTO_TCP, TCP_MAXSEG, 1460},       {IPPROTO_TCP, TCP_CORK, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200},     {IPPROTO_TCP, TCP_KEEPINTVL, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 9},         {IPPROTO_TCP, TCP_SYNCNT, 6},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},    {IPPROTO_TCP, TCP_QUICKACK, 1},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0},    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1},
    {IPPROTO_TCP, TCP_FASTOPEN, 0},        {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0},
    {IPPROTO_IP, IP_TOS, 0},               {IPPROTO_IP, IP_TTL, 64},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1},      {IPPROTO_IP, IP_RECVERR, 0},
    {IPPROTO_IP, IP_FREEBIND, 0},          {IPPROTO_IP, IP_MULTICAST_TTL, 1},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1},    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0},
    {IPPROTO_IP, IP_MTU, 1500},            {IPPROTO_IPV6, IPV6_V6ONLY, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64}, {IPPROTO_IPV6, IPV6_TCLASS, 0},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1},  {IPPROTO_IPV6, IPV6_RECVERR, 0},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1}, {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1},
    {IPPROTO_IPV6, IPV6_MTU, 1500},
};

static const struct standard *standardOf(int level, int name) {
  for (size_t i = 0; i < sizeof kStandards / sizeof *kStandards; i++) {
    if (kStandards[i].level == level && kStandards[i].name == name) return &kStandards[i];
  }
  return NULL;
}

/** The Unix socket does these itself, as every socket does. */
static bool native(int level, int name) {
  if (level != SOL_SOCKET) return false;
  return name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_COOKIE;
}

/** What would come with datagrams as control messages cannot: better refused than silently absent. */
static bool refused(int level, int name) {
  if (level == SOL_UDP) return true;
  if (level == SOL_SOCKET) {
    return name == SO_ZEROCOPY || name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF ||
           name == SO_TIMESTAMPING || name == SO_TXTIME;
  }
  return level == IPPROTO_TCP &&
         (name == TCP_ULP || name == TCP_REPAIR || name == TCP_MD5SIG || name == TCP_ZEROCOPY_RECEIVE);
}

static void put(void *value, socklen_t *size, const void *from, size_t length) {
  const socklen_t fits = *size < length ? *size : (socklen_t)length;
  memcpy(value, from, fits);
  *size = fits;
}

static int tellError(int fd, const struct pvpn_socket *socket, void *value, socklen_t *size) {
  struct pvpn_state state;
  int error = 0;
  const int failed = pvpn_state(socket, PVPN_CLEAR, &state);
  if (failed == 0) error = (int)state.error;
  // The environment's process has gone, and its end with it.
  else if (pvpn_marked(fd) != MARK_FRESH) error = failed;
  put(value, size, &error, sizeof error);
  return 0;
}

static int tellInfo(const struct pvpn_socket *socket, void *value, socklen_t *size) {
  struct tcp_info info;
  struct pvpn_state state;
  memset(&info, 0, sizeof info);
  const bool known = pvpn_state(socket, 0, &state) == 0;
  info.tcpi_state = TCP_CLOSE;
  if (known && state.phase == PVPN_CONNECTED) info.tcpi_state = TCP_ESTABLISHED;
  if (known && state.phase == PVPN_CONNECTING) info.tcpi_state = TCP_SYN_SENT;
  if (known && state.phase == PVPN_LISTENING) info.tcpi_state = TCP_LISTEN;
  info.tcpi_snd_mss = info.tcpi_rcv_mss = 1460;
  put(value, size, &info, sizeof info);
  return 0;
}

static int tellRemembered(const struct pvpn_socket *socket, int level, int name, void *value,
                          socklen_t *size) {
  const int key[2] = {level, name};
  char kept[256];
  struct pvpn_reply reply = {.data = kept, .room = sizeof kept};
  const struct pvpn_request request = {.kind = PVPN_GET_OPTION,
                                       .id = socket->id,
                                       .data = key,
                                       .size = sizeof key,
                                       .descriptor = -1};
  if (pvpn_query(&request, &reply) == 0) {
    put(value, size, kept, reply.size);
    return 0;
  }
  const struct standard *standard = standardOf(level, name);
  if (standard == NULL) return pvpn_fail(ENOPROTOOPT);
  put(value, size, &standard->value, sizeof standard->value);
  return 0;
}

PVPN_EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
  struct pvpn_socket socket;
  if (native(level, name) || !pvpn_identify(fd, &socket)) {
    return PVPN_NEXT(getsockopt)(fd, level, name, value, size);
  }
  if (value == NULL || size == NULL) return pvpn_fail(EFAULT);
  const bool stream = socket.type == SOCK_STREAM;
  if (level == SOL_SOCKET) {
    const int protocol = stream ? IPPROTO_TCP : IPPROTO_UDP;
    const int listens = pvpn_marked(fd) == MARK_LISTENING;
    const struct linger linger = {0};
    switch (name) {
      case SO_ERROR: return tellError(fd, &socket, value, size);
      case SO_TYPE: return put(value, size, &socket.type, sizeof(int)), 0;
      case SO_DOMAIN: return put(value, size, &socket.domain, sizeof(int)), 0;
      case SO_PROTOCOL: return put(value, size, &protocol, sizeof(int)), 0;
      case SO_ACCEPTCONN: return put(value, size, &listens, sizeof(int)), 0;
      case SO_LINGER:
        if (tellRemembered(&socket, level, name, value, size) == 0) return 0;
        return put(value, size, &linger, sizeof linger), 0;
      case SO_PEERCRED:
      case SO_PEERSEC:
      case SO_PEERGROUPS: return pvpn_fail(ENOPROTOOPT);
      default: break;
    }
  }
  if (level == IPPROTO_TCP && !stream) return pvpn_fail(EOPNOTSUPP);
  if (level == IPPROTO_TCP && name == TCP_INFO) return tellInfo(&socket, value, size);
  if (refused(level, name)) return pvpn_fail(ENOPROTOOPT);
  return tellRemembered(&socket, level, name, value, size);
}

/** The kernel tells twice what was asked for, for its own needs, within a bound. */
static int buffer(int asked) {
  if (asked < 2304) return 4608;
  return asked > 212992 ? 425984 : 2 * asked;
}

PVPN_EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  struct pvpn_socket socket;
  if (native(level, name) || !pvpn_identify(fd, &socket)) {
    return PVPN_NEXT(setsockopt)(fd, level, name, value, size);
  }
  if (value == NULL && size > 0) return pvpn_fail(EFAULT);
  if (refused(level, name)) return pvpn_fail(ENOPROTOOPT);
  if (level == IPPROTO_TCP && socket.type != SOCK_STREAM) return pvpn_fail(ENOPROTOOPT);
  if (level == IPPROTO_IPV6 && socket.domain == AF_INET) return pvpn_fail(ENOPROTOOPT);
  if (level == SOL_SOCKET && name == SO_MARK) return pvpn_fail(EPERM);
  // Programs fall back to what needs no data in the first packet.
  if (level == IPPROTO_TCP && (name == TCP_FASTOPEN_CONNECT || name == TCP_FASTOPEN)) return 0;
  struct {
    int key[2];
    char bytes[256];
  } data = {.key = {level, name}};
  if (size > sizeof data.bytes) return pvpn_fail(EINVAL);
  if (size > 0) memcpy(data.bytes, value, size);
  if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF) && size >= sizeof(int)) {
    int asked;
    memcpy(&asked, value, sizeof asked);
    asked = buffer(asked);
    memcpy(data.bytes, &asked, sizeof asked);
  }
  const struct pvpn_request request = {.kind = PVPN_SET_OPTION,
                                       .id = socket.id,
                                       .data = &data,
                                       .size = (uint32_t)sizeof data.key + size,
                                       .descriptor = -1};
  const int error = pvpn_query(&request, NULL);
  // A socket that is over still takes options; nothing depends on them then.
  if (error == 0 || error == ENOTCONN || error == ENETDOWN) return 0;
  return pvpn_fail(error);
}
