/** getaddrinfo and getnameinfo. What needs no look-up is left to the C library: numbers, services, passive ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

/** Kinds of sockets of one address: TCP, UDP, raw. */
#define MOST_KINDS 8
#define KNOWN_FLAGS                                                                           \
  (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG |        \
   AI_NUMERICSERV | AI_IDN | AI_CANONIDN | 0x0300 /* two of IDN's, without effect since 2.28 */)

struct kind {
  int type;
  int protocol;
  /** In the network's order. */
  in_port_t port;
};

static bool numeric(const char *node) {
  struct in_addr v4;
  struct in6_addr v6;
  char bare[INET6_ADDRSTRLEN];
  if (inet_aton(node, &v4) != 0) return true;
  const size_t length = strcspn(node, "%");
  if (length >= sizeof bare) return false;
  memcpy(bare, node, length);
  bare[length] = 0;
  return inet_pton(AF_INET6, bare, &v6) == 1;
}

static int errorOf(int status) {
  switch (status) {
    case HOST_NOT_FOUND:
      return EAI_NONAME;
    case NO_DATA:
      return EAI_NODATA;
    case TRY_AGAIN:
      return EAI_AGAIN;
    default:
      return EAI_FAIL;
  }
}

/** Which sockets the service and the hints ask for: as the C library says of a number. */
static int kindsOf(const char *service, const struct addrinfo *hints, struct kind *kinds,
                   unsigned *count) {
  struct addrinfo asked = {.ai_family = AF_INET,
                           .ai_flags = AI_NUMERICHOST | (hints->ai_flags & AI_NUMERICSERV),
                           .ai_socktype = hints->ai_socktype,
                           .ai_protocol = hints->ai_protocol};
  struct addrinfo *said = NULL;
  const int error = PVPN_NEXT(getaddrinfo)("192.0.2.1", service, &asked, &said);
  if (error != 0) return error;
  *count = 0;
  for (const struct addrinfo *at = said; at != NULL && *count < MOST_KINDS; at = at->ai_next) {
    struct sockaddr_in address;
    memcpy(&address, at->ai_addr, sizeof address);
    kinds[(*count)++] = (struct kind){at->ai_socktype, at->ai_protocol, address.sin_port};
  }
  freeaddrinfo(said);
  return 0;
}

/** In one piece with its address, as freeaddrinfo expects. */
static struct addrinfo *entry(const struct pvpn_address *address, bool mapped, const struct kind *kind) {
  const bool narrow = address->family == 4 && !mapped;
  const size_t size = narrow ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  struct addrinfo *made = calloc(1, sizeof *made + size);
  if (made == NULL) return NULL;
  made->ai_family = narrow ? AF_INET : AF_INET6;
  made->ai_socktype = kind->type;
  made->ai_protocol = kind->protocol;
  made->ai_addrlen = (socklen_t)size;
  made->ai_addr = (struct sockaddr *)(made + 1);
  if (narrow) {
    struct sockaddr_in *to = (struct sockaddr_in *)made->ai_addr;
    to->sin_family = AF_INET;
    to->sin_port = kind->port;
    memcpy(&to->sin_addr, address->bytes, 4);
    return made;
  }
  struct sockaddr_in6 *to = (struct sockaddr_in6 *)made->ai_addr;
  to->sin6_family = AF_INET6;
  to->sin6_port = kind->port;
  to->sin6_scope_id = address->scope;
  if (address->family == 6) {
    memcpy(&to->sin6_addr, address->bytes, 16);
  } else {
    to->sin6_addr.s6_addr[10] = 0xff;
    to->sin6_addr.s6_addr[11] = 0xff;
    memcpy(to->sin6_addr.s6_addr + 12, address->bytes, 4);
  }
  return made;
}

static int build(const struct pvpn_found *found, const struct addrinfo *hints,
                 const struct kind *kinds, unsigned count, struct addrinfo **out) {
  struct addrinfo *first = NULL;
  struct addrinfo **end = &first;
  unsigned sixes = 0;
  for (unsigned i = 0; i < found->count; i++) sixes += found->addresses[i].family == 6;
  for (unsigned i = 0; i < found->count; i++) {
    const bool mapped = hints->ai_family == AF_INET6;
    const bool four = found->addresses[i].family == 4;
    if (four && mapped && sixes > 0 && (hints->ai_flags & AI_ALL) == 0) continue;
    for (unsigned k = 0; k < count; k++) {
      *end = entry(&found->addresses[i], mapped, &kinds[k]);
      if (*end == NULL) {
        if (first != NULL) freeaddrinfo(first);
        return EAI_MEMORY;
      }
      end = &(*end)->ai_next;
    }
  }
  if (first == NULL) return EAI_NODATA;
  if ((hints->ai_flags & AI_CANONNAME) != 0 && (first->ai_canonname = strdup(found->name)) == NULL) {
    freeaddrinfo(first);
    return EAI_MEMORY;
  }
  first->ai_flags = hints->ai_flags;
  *out = first;
  return 0;
}

static unsigned wanted(const struct addrinfo *hints) {
  unsigned want = hints->ai_family == AF_INET    ? PVPN_WANT_4
                  : hints->ai_family == AF_INET6 ? PVPN_WANT_6
                                                 : PVPN_WANT_4 | PVPN_WANT_6;
  if (hints->ai_family == AF_INET6 && (hints->ai_flags & AI_V4MAPPED) != 0) want |= PVPN_WANT_4;
  if ((hints->ai_flags & AI_ADDRCONFIG) != 0) want |= PVPN_WANT_OWN;
  if ((hints->ai_flags & AI_IDN) != 0) want |= PVPN_WANT_IDNA;
  return want;
}

PVPN_EXPORT int getaddrinfo(const char *restrict node, const char *restrict service,
                            const struct addrinfo *restrict hints,
                            struct addrinfo **restrict result) {
  // What glibc takes for no hints.
  const struct addrinfo none = {.ai_family = AF_UNSPEC, .ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
  struct addrinfo asked = hints == NULL ? none : *hints;
  if (pvpn_path() == NULL) return PVPN_NEXT(getaddrinfo)(node, service, hints, result);
  if ((asked.ai_flags & ~KNOWN_FLAGS) != 0) return EAI_BADFLAGS;
  if (node == NULL || numeric(node) || (asked.ai_flags & AI_NUMERICHOST) != 0) {
    // The host's addresses, which it would look at, say nothing here.
    asked.ai_flags &= ~AI_ADDRCONFIG;
    return PVPN_NEXT(getaddrinfo)(node, service, &asked, result);
  }
  if (asked.ai_family != AF_UNSPEC && asked.ai_family != AF_INET && asked.ai_family != AF_INET6) {
    return EAI_FAMILY;
  }
  struct kind kinds[MOST_KINDS];
  unsigned count;
  const int error = kindsOf(service, &asked, kinds, &count);
  if (error != 0) return error;
  struct pvpn_found found;
  const int status = pvpn_lookup(node, wanted(&asked), &found);
  return status == 0 ? build(&found, &asked, kinds, count, result) : errorOf(status);
}

/** 4 or 16 bytes of an address that has names; NULL: none. */
static const void *addressOf(const struct sockaddr *address, socklen_t size, int *family) {
  *family = address->sa_family;
  if (*family == AF_INET && size >= sizeof(struct sockaddr_in)) {
    return &((const struct sockaddr_in *)address)->sin_addr;
  }
  if (*family != AF_INET6 || size < sizeof(struct sockaddr_in6)) return NULL;
  const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
  if (!IN6_IS_ADDR_V4MAPPED(six)) return six;
  *family = AF_INET;
  return six->s6_addr + 12;
}

PVPN_EXPORT int getnameinfo(const struct sockaddr *restrict address, socklen_t size,
                            char *restrict host, socklen_t hostSize, char *restrict service,
                            socklen_t serviceSize, int flags) {
  int family;
  const void *bytes = NULL;
  if (pvpn_path() != NULL && address != NULL && size >= sizeof(sa_family_t) && host != NULL &&
      hostSize > 0 && (flags & NI_NUMERICHOST) == 0) {
    bytes = addressOf(address, size, &family);
  }
  if (bytes == NULL) {
    return PVPN_NEXT(getnameinfo)(address, size, host, hostSize, service, serviceSize, flags);
  }
  struct pvpn_reversed found;
  const int status = pvpn_reverse(family, bytes, &found);
  if (status == TRY_AGAIN) return EAI_AGAIN;
  if (status != 0) {
    if ((flags & NI_NAMEREQD) != 0) return EAI_NONAME;
    return PVPN_NEXT(getnameinfo)(address, size, host, hostSize, service, serviceSize,
                                  flags | NI_NUMERICHOST);
  }
  if (strlen(found.names) >= hostSize) return EAI_OVERFLOW;
  strcpy(host, found.names);
  if (service == NULL || serviceSize == 0) return 0;
  return PVPN_NEXT(getnameinfo)(address, size, NULL, 0, service, serviceSize,
                                flags & ~NI_NAMEREQD);
}

/** Done before it returns, also with GAI_NOWAIT: whoever asks then finds it finished. */
PVPN_EXPORT int getaddrinfo_a(int mode, struct gaicb *list[restrict], int count,
                              struct sigevent *restrict event) {
  if (pvpn_path() == NULL) return PVPN_NEXT(getaddrinfo_a)(mode, list, count, event);
  if (mode != GAI_WAIT && mode != GAI_NOWAIT) {
    errno = EINVAL;
    return EAI_SYSTEM;
  }
  for (int i = 0; i < count; i++) {
    struct gaicb *one = list[i];
    if (one == NULL) continue;
    one->__return = getaddrinfo(one->ar_name, one->ar_service, one->ar_request, &one->ar_result);
  }
  if (mode == GAI_WAIT || event == NULL) return 0;
  if (event->sigev_notify == SIGEV_SIGNAL) raise(event->sigev_signo);
  if (event->sigev_notify == SIGEV_THREAD) event->sigev_notify_function(event->sigev_value);
  return 0;
}
