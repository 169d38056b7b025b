/** What network there is, as programs inside see it: loopback and one device with the environment's addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

#define DEVICE "pvpn"
#define MOST_ADDRESSES 16
enum { LOOPBACK_INDEX = 1, DEVICE_INDEX = 2 };

struct link {
  uint32_t mtu;
  size_t count;
  struct pvpn_address addresses[MOST_ADDRESSES];
};

static void ask(struct link *link) {
  struct pvpn_reply reply = {.data = link->addresses, .room = sizeof link->addresses};
  const struct pvpn_request request = {.kind = PVPN_INTERFACES, .descriptor = -1};
  const bool asked = pvpn_query(&request, &reply) == 0;
  link->count = asked ? reply.size / sizeof *link->addresses : 0;
  link->mtu = asked ? reply.value : 1500;
}

/** One entry and all that it points to, in one piece of memory. */
struct entry {
  struct ifaddrs interface;
  char name[IFNAMSIZ];
  struct sockaddr_storage address;
  struct sockaddr_storage mask;
};

static void fillAddress(struct sockaddr_storage *out, int family, const void *bytes, int scope) {
  if (family == AF_INET) {
    struct sockaddr_in *a = (struct sockaddr_in *)out;
    a->sin_family = AF_INET;
    memcpy(&a->sin_addr, bytes, 4);
  } else {
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)out;
    a->sin6_family = AF_INET6;
    memcpy(&a->sin6_addr, bytes, 16);
    a->sin6_scope_id = (uint32_t)scope;
  }
}

static void add(struct entry *entry, bool loopback, int family, const void *bytes, int prefix) {
  memset(entry, 0, sizeof *entry);
  strcpy(entry->name, loopback ? "lo" : DEVICE);
  uint8_t mask[16];
  for (int i = 0; i < 16; i++) {
    const int bits = prefix - 8 * i;
    mask[i] = bits >= 8 ? 0xff : bits <= 0 ? 0 : (uint8_t)(0xff << (8 - bits));
  }
  fillAddress(&entry->address, family, bytes, 0);
  fillAddress(&entry->mask, family, mask, 0);
  entry->interface.ifa_name = entry->name;
  entry->interface.ifa_flags =
      IFF_UP | IFF_RUNNING | (loopback ? IFF_LOOPBACK : IFF_POINTOPOINT | IFF_NOARP);
  entry->interface.ifa_addr = (struct sockaddr *)&entry->address;
  entry->interface.ifa_netmask = (struct sockaddr *)&entry->mask;
}

PVPN_EXPORT int getifaddrs(struct ifaddrs **out) {
  if (pvpn_path() == NULL) return PVPN_NEXT(getifaddrs)(out);
  static const uint8_t kLoopback4[4] = {127, 0, 0, 1};
  static const uint8_t kLoopback6[16] = {[15] = 1};
  struct link link;
  ask(&link);
  struct entry *entries = calloc(2 + link.count, sizeof *entries);
  if (entries == NULL) return -1;
  add(&entries[0], true, AF_INET, kLoopback4, 8);
  add(&entries[1], true, AF_INET6, kLoopback6, 128);
  for (size_t i = 0; i < link.count; i++) {
    const bool v4 = link.addresses[i].family == 4;
    add(&entries[2 + i], false, v4 ? AF_INET : AF_INET6, link.addresses[i].bytes, v4 ? 32 : 128);
  }
  for (size_t i = 0; i < 1 + link.count; i++) {
    entries[i].interface.ifa_next = &entries[i + 1].interface;
  }
  *out = &entries[0].interface;
  return 0;
}

PVPN_EXPORT void freeifaddrs(struct ifaddrs *list) {
  if (pvpn_path() == NULL) PVPN_NEXT(freeifaddrs)(list);
  else free(list);
}

static unsigned indexOf(const char *name) {
  if (strcmp(name, "lo") == 0) return LOOPBACK_INDEX;
  return strcmp(name, DEVICE) == 0 ? DEVICE_INDEX : 0;
}

PVPN_EXPORT unsigned if_nametoindex(const char *name) {
  if (pvpn_path() == NULL) return PVPN_NEXT(if_nametoindex)(name);
  const unsigned index = indexOf(name);
  if (index == 0) errno = ENODEV;
  return index;
}

PVPN_EXPORT char *if_indextoname(unsigned index, char name[IF_NAMESIZE]) {
  if (pvpn_path() == NULL) return PVPN_NEXT(if_indextoname)(index, name);
  if (index != LOOPBACK_INDEX && index != DEVICE_INDEX) {
    errno = ENXIO;
    return NULL;
  }
  return strcpy(name, index == LOOPBACK_INDEX ? "lo" : DEVICE);
}

PVPN_EXPORT struct if_nameindex *if_nameindex(void) {
  if (pvpn_path() == NULL) return PVPN_NEXT(if_nameindex)();
  struct if_nameindex *list = calloc(3, sizeof *list + IFNAMSIZ);
  if (list == NULL) return NULL;
  char *names = (char *)(list + 3);
  for (unsigned i = 0; i < 2; i++) {
    list[i].if_index = i + 1;
    list[i].if_name = strcpy(names + i * IFNAMSIZ, i == 0 ? "lo" : DEVICE);
  }
  return list;
}

PVPN_EXPORT void if_freenameindex(struct if_nameindex *list) {
  if (pvpn_path() == NULL) PVPN_NEXT(if_freenameindex)(list);
  else free(list);
}

/** The address of a device of IPv4, 0 when it has none. */
static bool address4(const struct link *link, unsigned index, uint8_t out[4]) {
  static const uint8_t kLoopback[4] = {127, 0, 0, 1};
  if (index == LOOPBACK_INDEX) {
    memcpy(out, kLoopback, 4);
    return true;
  }
  for (size_t i = 0; i < link->count; i++) {
    if (link->addresses[i].family != 4) continue;
    memcpy(out, link->addresses[i].bytes, 4);
    return true;
  }
  return false;
}

static void put4(struct sockaddr *out, const uint8_t bytes[4]) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  memcpy(&a.sin_addr, bytes, 4);
  memcpy(out, &a, sizeof a);
}

static int listInterfaces(struct ifconf *list) {
  struct link link;
  ask(&link);
  const int room = list->ifc_req == NULL ? 0 : list->ifc_len / (int)sizeof(struct ifreq);
  int count = 0;
  for (unsigned index = LOOPBACK_INDEX; index <= DEVICE_INDEX; index++) {
    uint8_t bytes[4];
    if (!address4(&link, index, bytes)) continue;
    if (count < room) {
      struct ifreq *request = &list->ifc_req[count];
      memset(request, 0, sizeof *request);
      strcpy(request->ifr_name, index == LOOPBACK_INDEX ? "lo" : DEVICE);
      put4(&request->ifr_addr, bytes);
    }
    count++;
  }
  list->ifc_len = (list->ifc_req == NULL || count < room ? count : room) * (int)sizeof(struct ifreq);
  return 0;
}

static int askInterface(unsigned long what, struct ifreq *request) {
  static const uint8_t kMask8[4] = {255, 0, 0, 0};
  static const uint8_t kMask32[4] = {255, 255, 255, 255};
  struct link link;
  char name[IFNAMSIZ];
  if (what == SIOCGIFNAME) {
    return if_indextoname((unsigned)request->ifr_ifindex, request->ifr_name) == NULL ? -1 : 0;
  }
  memcpy(name, request->ifr_name, IFNAMSIZ);
  name[IFNAMSIZ - 1] = 0;
  const unsigned index = indexOf(name);
  if (index == 0) return pvpn_fail(ENODEV);
  ask(&link);
  uint8_t bytes[4];
  switch (what) {
    case SIOCGIFINDEX: request->ifr_ifindex = (int)index; return 0;
    case SIOCGIFMTU: request->ifr_mtu = index == LOOPBACK_INDEX ? 65536 : (int)link.mtu; return 0;
    case SIOCGIFFLAGS:
      request->ifr_flags = (short)(IFF_UP | IFF_RUNNING |
                                   (index == LOOPBACK_INDEX ? IFF_LOOPBACK : IFF_POINTOPOINT));
      return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
      if (!address4(&link, index, bytes)) return pvpn_fail(EADDRNOTAVAIL);
      put4(&request->ifr_addr, bytes);
      return 0;
    case SIOCGIFNETMASK:
      if (!address4(&link, index, bytes)) return pvpn_fail(EADDRNOTAVAIL);
      put4(&request->ifr_netmask, index == LOOPBACK_INDEX ? kMask8 : kMask32);
      return 0;
    default: return pvpn_fail(EPERM);
  }
}

PVPN_EXPORT int ioctl(int fd, unsigned long what, ...) {
  va_list rest;
  va_start(rest, what);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  struct pvpn_socket socket;
  const bool devices = what >= SIOCADDRT && what <= 0x89ff;
  if ((!devices && what != FIONREAD) || !pvpn_identify(fd, &socket)) {
    return PVPN_NEXT(ioctl)(fd, what, argument);
  }
  if (what == FIONREAD) {
    if (socket.type == SOCK_STREAM) return PVPN_NEXT(ioctl)(fd, what, argument);
    const long got =
        syscall(SYS_recvfrom, fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
    const long head = pvpn_marked(fd) == MARK_CONNECTED ? 0 : (long)sizeof(struct pvpn_address);
    *(int *)argument = got > head ? (int)(got - head) : 0;
    return 0;
  }
  if (argument == NULL) return pvpn_fail(EFAULT);
  return what == SIOCGIFCONF ? listInterfaces(argument) : askInterface(what, argument);
}
