#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

static const uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool pvpn_address_of(const struct pvpn_socket *socket, const struct sockaddr *address,
                     socklen_t size, struct pvpn_address *out, int *error) {
  memset(out, 0, sizeof *out);
  *error = EINVAL;
  if (address == NULL || size < sizeof address->sa_family) return false;
  sa_family_t family;
  memcpy(&family, &address->sa_family, sizeof family);
  *error = EAFNOSUPPORT;
  if (family == AF_INET) {
    struct sockaddr_in a;
    if (size < sizeof a) {
      *error = EINVAL;
      return false;
    }
    memcpy(&a, address, sizeof a);
    // A datagram socket of IPv6 takes IPv4 addresses as they are too.
    if (socket->domain == AF_INET6 && socket->type == SOCK_STREAM) return false;
    out->family = 4;
    out->port = ntohs(a.sin_port);
    memcpy(out->bytes, &a.sin_addr, 4);
    return true;
  }
  if (family != AF_INET6 || socket->domain == AF_INET) return false;
  struct sockaddr_in6 a;
  *error = EINVAL;
  // RFC 2133's structure had no scope.
  if (size < sizeof a - sizeof a.sin6_scope_id) return false;
  memset(&a, 0, sizeof a);
  memcpy(&a, address, size < sizeof a ? size : sizeof a);
  out->port = ntohs(a.sin6_port);
  out->scope = a.sin6_scope_id;
  const bool mapped = memcmp(&a.sin6_addr, kMapped, sizeof kMapped) == 0;
  out->family = mapped ? 4 : 6;
  memcpy(out->bytes, (const uint8_t *)&a.sin6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
  return true;
}

void pvpn_store_address(const struct pvpn_socket *socket, const struct pvpn_address *address,
                        struct sockaddr *out, socklen_t *size) {
  if (size == NULL) return;
  union {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } a;
  memset(&a, 0, sizeof a);
  socklen_t whole = sizeof a.v4;
  if (socket->domain == AF_INET) {
    a.v4.sin_family = AF_INET;
    a.v4.sin_port = htons(address->port);
    if (address->family == 4) memcpy(&a.v4.sin_addr, address->bytes, 4);
  } else {
    whole = sizeof a.v6;
    a.v6.sin6_family = AF_INET6;
    a.v6.sin6_port = htons(address->port);
    a.v6.sin6_scope_id = address->scope;
    if (address->family == 4) {
      memcpy(&a.v6.sin6_addr, kMapped, sizeof kMapped);
      memcpy((uint8_t *)&a.v6.sin6_addr + 12, address->bytes, 4);
    } else if (address->family == 6) {
      memcpy(&a.v6.sin6_addr, address->bytes, 16);
    }
  }
  if (out != NULL) memcpy(out, &a, *size < whole ? *size : whole);
  *size = whole;
}

int pvpn_state(const struct pvpn_socket *socket, uint16_t flags, struct pvpn_state *out) {
  memset(out, 0, sizeof *out);
  struct pvpn_reply reply = {.data = out, .room = sizeof *out};
  const struct pvpn_request request = {
      .kind = PVPN_STATE, .flags = flags, .id = socket->id, .descriptor = -1};
  const int error = pvpn_query(&request, &reply);
  if (error != 0) return error;
  return reply.size == sizeof *out ? 0 : EPROTO;
}

PVPN_EXPORT int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(getsockname)(fd, address, size);
  if (address == NULL || size == NULL) return pvpn_fail(EFAULT);
  struct pvpn_state state;
  // Without the environment's process the socket has no address any more.
  if (pvpn_state(&socket, 0, &state) != 0) memset(&state, 0, sizeof state);
  pvpn_store_address(&socket, &state.local, address, size);
  return 0;
}

PVPN_EXPORT int getpeername(int fd, struct sockaddr *address, socklen_t *size) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(getpeername)(fd, address, size);
  if (address == NULL || size == NULL) return pvpn_fail(EFAULT);
  struct pvpn_state state;
  if (pvpn_state(&socket, 0, &state) != 0) return pvpn_fail(ENOTCONN);
  if (state.phase != PVPN_CONNECTED) return pvpn_fail(ENOTCONN);
  pvpn_store_address(&socket, &state.remote, address, size);
  return 0;
}
