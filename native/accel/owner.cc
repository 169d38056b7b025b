#include "owner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/** A process whose descriptors are this much sparser than they are many is read by its folder. */
constexpr int kSparse = 4;
constexpr int kSparseLeast = 64;

bool isLink(int folder, const char* name, const char* wanted, size_t length, bool* open) {
  char link[64];
  const ssize_t size = readlinkat(folder, name, link, sizeof link);
  *open = size >= 0;
  return size == static_cast<ssize_t>(length) && memcmp(link, wanted, length) == 0;
}

/** How many descriptors the process has open: Linux says it from 6.2 on, before it says 0. */
off_t openDescriptors(int folder) {
  struct stat status = {};
  return fstat(folder, &status) == 0 ? status.st_size : 0;
}

/**
 * Descriptors are the lowest free numbers, so trying the numbers themselves saves reading the folder,
 * which is a third of the cost where there are thousands. -EAGAIN: this could not tell.
 */
int guess(int folder, const char* wanted, size_t length) {
  const off_t count = openDescriptors(folder);
  if (count == 0 || count > INT_MAX / (2 * kSparse)) return -EAGAIN;
  const int most = static_cast<int>(count) * kSparse + kSparseLeast;
  off_t seen = 0;
  for (int descriptor = 0; descriptor < most && seen < count; descriptor++) {
    char name[16];
    snprintf(name, sizeof name, "%d", descriptor);
    bool open = false;
    if (isLink(folder, name, wanted, length, &open)) return descriptor;
    if (open) seen++;
  }
  return seen == count && openDescriptors(folder) == count ? -ENOENT : -EAGAIN;
}

/** The number of a directory entry of /proc/PID/fd whose link is `wanted`; or a negative errno. */
int scan(DIR* folder, const char* wanted, size_t length) {
  const int guessed = guess(dirfd(folder), wanted, length);
  if (guessed != -EAGAIN) return guessed;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder);
    if (entry == nullptr) return errno == 0 ? -ENOENT : -errno;
    if (entry->d_name[0] == '.') continue;
    bool open = false;
    if (isLink(dirfd(folder), entry->d_name, wanted, length, &open)) return atoi(entry->d_name);
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
