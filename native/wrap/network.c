#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wrap.h"

#define DEVICE "pvpn"

struct request {
  struct nlmsghdr header;
  union {
    struct ifinfomsg link;
    struct ifaddrmsg address;
    struct rtmsg route;
  };
  char attributes[128];
};

static void begin(struct request *request, int type, int flags, size_t size) {
  memset(request, 0, sizeof *request);
  request->header.nlmsg_len = (unsigned)NLMSG_LENGTH(size);
  request->header.nlmsg_type = (unsigned short)type;
  request->header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

static void attribute(struct request *request, int type, const void *data, size_t size) {
  const size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
  if (at + RTA_SPACE(size) > sizeof *request) abort();
  struct rtattr *a = (struct rtattr *)((char *)request + at);
  a->rta_type = (unsigned short)type;
  a->rta_len = (unsigned short)RTA_LENGTH(size);
  memcpy(RTA_DATA(a), data, size);
  request->header.nlmsg_len = (unsigned)(at + RTA_SPACE(size));
}

/** True when the kernel did it; errno otherwise. */
static bool ask(struct request *request) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return false;
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char rest[256];
  } answer;
  memset(&answer, 0, sizeof answer);
  int error = EPROTO;
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) {
    error = errno;
  } else if (recv(fd, &answer, sizeof answer, 0) >= (ssize_t)NLMSG_LENGTH(sizeof answer.error) &&
             answer.header.nlmsg_type == NLMSG_ERROR) {
    error = -answer.error.error;
  }
  close(fd);
  errno = error;
  return error == 0;
}

static bool linkUp(const char *name, int mtu) {
  struct request request;
  begin(&request, RTM_NEWLINK, 0, sizeof request.link);
  request.link.ifi_family = AF_UNSPEC;
  request.link.ifi_index = (int)if_nametoindex(name);
  request.link.ifi_flags = IFF_UP;
  request.link.ifi_change = IFF_UP;
  const unsigned value = (unsigned)mtu;
  if (mtu > 0) attribute(&request, IFLA_MTU, &value, sizeof value);
  return ask(&request);
}

bool loopbackUp(void) { return linkUp("lo", 0); }

bool setSysctl(const char *name, const char *value) {
  char path[160];
  snprintf(path, sizeof path, "/proc/sys/net/%s", name);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
  close(fd);
  return done;
}

int openTun(void) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strcpy(request.ifr_name, DEVICE);
  if (ioctl(fd, TUNSETIFF, &request) == 0) {
    // No router is on a TUN device, and no neighbour: nothing is to be asked there.
    setSysctl("ipv6/conf/" DEVICE "/addr_gen_mode", "1");
    setSysctl("ipv6/conf/" DEVICE "/accept_ra", "0");
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool parseLink(const char *text, struct link *link) {
  char copy[LINE_SIZE];
  memset(link, 0, sizeof *link);
  if (strlen(text) >= sizeof copy) return false;
  strcpy(copy, text);
  char *rest = NULL;
  const char *mtu = strtok_r(copy, " \n", &rest);
  if (mtu == NULL) return false;
  link->mtu = atoi(mtu);
  if (link->mtu < 68 || link->mtu > 65535) return false;
  for (char *word; (word = strtok_r(NULL, " ,\n", &rest)) != NULL;) {
    if (link->count == MOST_ADDRESSES) return false;
    const int family = strchr(word, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, word, link->address[link->count].bytes) != 1) return false;
    link->address[link->count++].family = family;
  }
  return true;
}

static size_t sizeOf(int family) { return family == AF_INET ? 4 : 16; }

static bool address(int type, int index, int family, const unsigned char *bytes) {
  struct request request;
  begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0,
        sizeof request.address);
  const size_t size = sizeOf(family);
  request.address.ifa_family = (unsigned char)family;
  request.address.ifa_prefixlen = (unsigned char)(size * 8);
  request.address.ifa_index = (unsigned)index;
  request.address.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
  attribute(&request, IFA_LOCAL, bytes, size);
  attribute(&request, IFA_ADDRESS, bytes, size);
  return ask(&request);
}

static bool defaultRoute(int index, int family, const unsigned char *source) {
  struct request request;
  begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof request.route);
  request.route.rtm_family = (unsigned char)family;
  request.route.rtm_table = RT_TABLE_MAIN;
  request.route.rtm_protocol = RTPROT_STATIC;
  request.route.rtm_scope = RT_SCOPE_UNIVERSE;
  request.route.rtm_type = RTN_UNICAST;
  attribute(&request, RTA_OIF, &index, sizeof index);
  attribute(&request, RTA_PREFSRC, source, sizeOf(family));
  return ask(&request);
}

static bool has(const struct link *link, int family, const unsigned char *bytes) {
  for (int i = 0; i < link->count; i++) {
    if (link->address[i].family == family &&
        memcmp(link->address[i].bytes, bytes, sizeOf(family)) == 0) {
      return true;
    }
  }
  return false;
}

bool applyLink(const struct link *before, const struct link *link) {
  const int index = (int)if_nametoindex(DEVICE);
  for (int i = 0; i < before->count; i++) {
    const int family = before->address[i].family;
    const unsigned char *bytes = before->address[i].bytes;
    if (!has(link, family, bytes)) address(RTM_DELADDR, index, family, bytes);
  }
  // A device of less than 1280 bytes carries no IPv6 (RFC 8200 section 5).
  if (!linkUp(DEVICE, link->mtu)) return false;
  bool routed4 = false;
  bool routed6 = false;
  for (int i = 0; i < link->count; i++) {
    const int family = link->address[i].family;
    const unsigned char *bytes = link->address[i].bytes;
    if (!address(RTM_NEWADDR, index, family, bytes)) return false;
    bool *routed = family == AF_INET ? &routed4 : &routed6;
    if (!*routed && !defaultRoute(index, family, bytes)) return false;
    *routed = true;
  }
  return true;
}
