#include <string.h>
#include <sys/socket.h>

#include "names.h"

int pvpn_lookup(const char *name, unsigned want, struct pvpn_found *found) {
  char bytes[MOST_NAME + sizeof found->addresses];
  const size_t length = strlen(name);
  found->count = 0;
  if (length == 0 || length >= MOST_NAME) return HOST_NOT_FOUND;
  const struct pvpn_request request = {.kind = PVPN_LOOKUP,
                                       .value = want,
                                       .data = name,
                                       .size = (uint32_t)length,
                                       .descriptor = -1};
  struct pvpn_reply reply = {.data = bytes, .room = sizeof bytes};
  if (pvpn_query(&request, &reply) != 0) return TRY_AGAIN;
  if (reply.value != 0) return (int)reply.value;
  const char *end = memchr(bytes, 0, reply.size < MOST_NAME ? reply.size : MOST_NAME);
  if (end == NULL) return NO_RECOVERY;
  const size_t head = (size_t)(end - bytes) + 1;
  memcpy(found->name, bytes, head);
  found->count = (unsigned)((reply.size - head) / sizeof *found->addresses);
  if (found->count > MOST_FOUND) found->count = MOST_FOUND;
  memcpy(found->addresses, bytes + head, found->count * sizeof *found->addresses);
  return found->count > 0 ? 0 : NO_DATA;
}

int pvpn_reverse(int family, const void *address, struct pvpn_reversed *found) {
  struct pvpn_address asked = {.family = family == AF_INET ? 4 : 6};
  memcpy(asked.bytes, address, family == AF_INET ? 4 : 16);
  const struct pvpn_request request = {
      .kind = PVPN_REVERSE, .data = &asked, .size = sizeof asked, .descriptor = -1};
  struct pvpn_reply reply = {.data = found->names, .room = sizeof found->names - 2};
  if (pvpn_query(&request, &reply) != 0) return TRY_AGAIN;
  memset(found->names + reply.size, 0, 2);
  if (reply.value != 0) return (int)reply.value;
  return found->names[0] == 0 ? HOST_NOT_FOUND : 0;
}
