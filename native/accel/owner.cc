#include "owner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "arguments.h"

namespace pvpn {
namespace {

constexpr int64_t kMostPid = 0x7fffffff;
constexpr int64_t kMostInode = 9007199254740991;  // 2^53 - 1
constexpr uint8_t kListening = 10;

struct Query {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

struct Answer {
  nlmsghdr header;
  union {
    nlmsgerr error;
    inet_diag_msg socket;
  };
  char attributes[1024];
};

/** Sends the query and takes one answer; the bytes of it, or a negative errno. */
ssize_t ask(const Query& query, Answer* answer) {
  const int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return -errno;
  // The kernel answers within the send; the time-out is for a kernel that does not.
  const timeval patience = {0, 50000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ssize_t size = send(fd, &query, sizeof query, 0);
  if (size >= 0) size = recv(fd, answer, sizeof *answer, 0);
  const ssize_t result = size < 0 ? -errno : size;
  close(fd);
  return result;
}

int find(const inet_diag_req_v2& request, double* uid, double* inode) {
  Query query = {};
  query.header.nlmsg_len = sizeof query;
  query.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  query.header.nlmsg_flags = NLM_F_REQUEST;
  query.request = request;
  Answer answer = {};
  const ssize_t size = ask(query, &answer);
  if (size < 0) return static_cast<int>(size);
  if (!NLMSG_OK(&answer.header, static_cast<size_t>(size))) return -EPROTO;
  if (answer.header.nlmsg_type == NLMSG_ERROR) {
    if (answer.header.nlmsg_len < NLMSG_LENGTH(sizeof answer.error)) return -EPROTO;
    return answer.error.error < 0 ? answer.error.error : -EPROTO;
  }
  if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      answer.header.nlmsg_len < NLMSG_LENGTH(sizeof answer.socket)) {
    return -EPROTO;
  }
  // Where there is no such connection the kernel offers a listener on the port.
  if (answer.socket.idiag_state == kListening || answer.socket.id.idiag_dport != request.id.idiag_dport) {
    return -ENOENT;
  }
  *uid = answer.socket.idiag_uid;
  *inode = answer.socket.idiag_inode;
  return 0;
}

/** The number of a directory entry of /proc/PID/fd whose link is `wanted`; or a negative errno. */
int scan(DIR* folder, const char* wanted, size_t length) {
  char link[64];
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder);
    if (entry == nullptr) return errno == 0 ? -ENOENT : -errno;
    if (entry->d_name[0] == '.') continue;
    const ssize_t size = readlinkat(dirfd(folder), entry->d_name, link, sizeof link);
    if (size == static_cast<ssize_t>(length) && memcmp(link, wanted, length) == 0) {
      return atoi(entry->d_name);
    }
  }
}

}  // namespace

napi_value socketOwner(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Span<uint8_t> local;
  Span<uint8_t> remote;
  Span<double> out;
  int64_t localPort = 0;
  int64_t remotePort = 0;
  if (!arguments.bytes(0, &local) || !arguments.integer(1, 0, 65535, &localPort) ||
      !arguments.bytes(2, &remote) || !arguments.integer(3, 0, 65535, &remotePort) ||
      !arguments.doubles(4, &out)) {
    return nullptr;
  }
  const bool known = local.length == 4 || local.length == 16;
  if (!known || remote.length != local.length || out.length < 2) {
    return throwCode(env, "ERR_INVALID_ARG_VALUE", "addresses of one family, and two numbers");
  }
  inet_diag_req_v2 request = {};
  request.sdiag_family = local.length == 4 ? AF_INET : AF_INET6;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0U;
  request.id.idiag_sport = htons(static_cast<uint16_t>(localPort));
  request.id.idiag_dport = htons(static_cast<uint16_t>(remotePort));
  memcpy(request.id.idiag_src, local.data, local.length);
  memcpy(request.id.idiag_dst, remote.data, remote.length);
  request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return number(env, find(request, &out.data[0], &out.data[1]));
}

napi_value peerCredentials(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t fd = 0;
  Span<double> out;
  if (!arguments.integer(0, 0, kMostPid, &fd) || !arguments.doubles(1, &out)) return nullptr;
  if (out.length < 3) return throwCode(env, "ERR_INVALID_ARG_VALUE", "three numbers are wanted");
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  if (getsockopt(static_cast<int>(fd), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return number(env, -errno);
  }
  out.data[0] = credentials.pid;
  out.data[1] = credentials.uid;
  out.data[2] = credentials.gid;
  return number(env, 0);
}

napi_value socketDescriptor(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t pid = 0;
  int64_t inode = 0;
  if (!arguments.integer(0, 1, kMostPid, &pid) || !arguments.integer(1, 1, kMostInode, &inode)) {
    return nullptr;
  }
  char path[32];
  char wanted[40];
  snprintf(path, sizeof path, "/proc/%d/fd", static_cast<int>(pid));
  const int length =
      snprintf(wanted, sizeof wanted, "socket:[%lld]", static_cast<long long>(inode));
  DIR* folder = opendir(path);
  if (folder == nullptr) return number(env, -errno);
  const int found = scan(folder, wanted, static_cast<size_t>(length));
  closedir(folder);
  return number(env, found);
}

}  // namespace pvpn
