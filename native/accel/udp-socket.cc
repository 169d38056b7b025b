#include "udp-socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

// Older C libraries lack these; the numbers are the kernel's.
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace pvpn {
namespace {

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
/** Bytes of one message: the most that fits an IPv4 packet with its headers. */
constexpr size_t kMessageSize = 65507;
/** Packets of one sendmmsg. */
constexpr size_t kParts = 256;
/** Packets too large to be put together that are sent singly before it is tried again. */
constexpr uint32_t kGsoPause = 4096;

int grow(int fd, int force, int plain, int size) {
  // The forced form needs CAP_NET_ADMIN; the plain one is cut to the system's limit.
  if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof size) == 0) return 0;
  return setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
}

int readOption(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

/** Errors that belong to one datagram, or pass: anything but a socket that is no more. */
bool isFatal(int error) { return error == EBADF || error == ENOTSOCK || error == EFAULT; }

}  // namespace

socklen_t toSockaddr(const uint8_t* record, int family, sockaddr_storage* out) {
  const uint8_t kind = record[0];
  uint32_t scope = 0;
  if (family == AF_INET) {
    if (kind != 4) return 0;
    sockaddr_in* in = reinterpret_cast<sockaddr_in*>(out);
    memset(in, 0, sizeof *in);
    in->sin_family = AF_INET;
    memcpy(&in->sin_port, record + 2, 2);
    memcpy(&in->sin_addr, record + 8, 4);
    return sizeof *in;
  }
  if (kind != 4 && kind != 6) return 0;
  sockaddr_in6* in6 = reinterpret_cast<sockaddr_in6*>(out);
  memset(in6, 0, sizeof *in6);
  in6->sin6_family = AF_INET6;
  memcpy(&in6->sin6_port, record + 2, 2);
  if (kind == 4) {
    memcpy(&in6->sin6_addr, kMapped, sizeof kMapped);
    memcpy(reinterpret_cast<uint8_t*>(&in6->sin6_addr) + sizeof kMapped, record + 8, 4);
  } else {
    memcpy(&in6->sin6_addr, record + 8, 16);
    memcpy(&scope, record + 4, 4);
    in6->sin6_scope_id = ntohl(scope);
  }
  return sizeof *in6;
}

bool toRecord(const sockaddr_storage& from, uint8_t* record) {
  memset(record, 0, kRecordSize);
  if (from.ss_family == AF_INET) {
    const sockaddr_in& in = reinterpret_cast<const sockaddr_in&>(from);
    record[0] = 4;
    memcpy(record + 2, &in.sin_port, 2);
    memcpy(record + 8, &in.sin_addr, 4);
    return true;
  }
  if (from.ss_family != AF_INET6) return false;
  const sockaddr_in6& in6 = reinterpret_cast<const sockaddr_in6&>(from);
  const uint8_t* ip = reinterpret_cast<const uint8_t*>(&in6.sin6_addr);
  memcpy(record + 2, &in6.sin6_port, 2);
  if (memcmp(ip, kMapped, sizeof kMapped) == 0) {
    record[0] = 4;
    memcpy(record + 8, ip + sizeof kMapped, 4);
  } else {
    record[0] = 6;
    const uint32_t scope = htonl(in6.sin6_scope_id);
    memcpy(record + 4, &scope, 4);
    memcpy(record + 8, ip, 16);
  }
  return true;
}

int openSocket(const uint8_t* record, const SocketOptions& options, const char** call) {
  const int family = record[0] == 6 ? AF_INET6 : AF_INET;
  sockaddr_storage name;
  const socklen_t size = toSockaddr(record, family, &name);
  *call = "socket";
  if (size == 0) return -EAFNOSUPPORT;
  const int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int only6 = options.only6 ? 1 : 0;
  grow(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBuffer);
  grow(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.sendBuffer);
  *call = "bind";
  if ((family == AF_INET6 &&
       setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6) != 0) ||
      bind(fd, reinterpret_cast<sockaddr*>(&name), size) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

void UdpSocket::prepare(int fd, int family) {
  family_ = family;
  const int on = 1;
  const int off = 0;
  gro_ = setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0;
  // Sets nothing: the size is told with each message. It only asks whether the kernel knows it.
  gso_ = setsockopt(fd, SOL_UDP, UDP_SEGMENT, &off, sizeof off) == 0;
}

UdpSocket::~UdpSocket() {
  if (alarm_ != nullptr) alarm_->release();
}

bool UdpSocket::rest(napi_env env, int64_t microseconds) {
  if (alarm_ == nullptr) {
    if (microseconds == 0) return true;
    napi_value function = callback();
    if (function == nullptr) return false;
    alarm_ = Alarm::create(env, function);
    if (alarm_ == nullptr) return false;
  }
  alarm_->set(microseconds);
  wantReadable(microseconds == 0);
  return true;
}

void UdpSocket::shut() {
  if (alarm_ != nullptr) alarm_->close();
  close();
}

int UdpSocket::receiveBuffer() const { return readOption(fd(), SO_RCVBUF); }
int UdpSocket::sendBuffer() const { return readOption(fd(), SO_SNDBUF); }

uint32_t UdpSocket::waiting() const {
  // SK_MEMINFO_RMEM_ALLOC is the first of them.
  uint32_t memory[16] = {0};
  socklen_t size = sizeof memory;
  return getsockopt(fd(), SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 ? memory[0] : 0;
}

int UdpSocket::port() const {
  sockaddr_storage name;
  socklen_t size = sizeof name;
  uint8_t record[kRecordSize];
  if (getsockname(fd(), reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return toRecord(name, record) ? record[2] << 8 | record[3] : 0;
}

int UdpSocket::receive(const Slots& slots, Span<uint8_t> address, size_t region,
                       size_t packetSize, bool fresh) {
  if (count_ == 0) {
    if (!fresh) return 0;
    const int received = receiveMessages(slots, region);
    if (received <= 0) return received;
  }
  return deliver(slots, address, packetSize);
}

int UdpSocket::receiveMessages(const Slots& slots, size_t region) {
  mmsghdr messages[kMessages];
  iovec parts[kMessages];
  sockaddr_storage names[kMessages];
  alignas(cmsghdr) uint8_t control[kMessages][CMSG_SPACE(sizeof(int))];
  size_t most = slots.bytes.length / region;
  if (most > wanted_) most = wanted_;
  for (size_t i = 0; i < most; i++) {
    parts[i] = {slots.bytes.data + i * region, region};
    msghdr& header = messages[i].msg_hdr;
    header = {};
    header.msg_name = &names[i];
    header.msg_namelen = sizeof names[i];
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    header.msg_control = control[i];
    header.msg_controllen = sizeof control[i];
  }
  int received = 0;
  do {
    received = recvmmsg(fd(), messages, static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno == EINTR);
  // What an ICMP error left behind is read away with the call: not the socket's end.
  if (received < 0) return isFatal(errno) ? -errno : 0;
  size_t datagrams = 0;
  head_ = 0;
  count_ = 0;
  for (int i = 0; i < received; i++) {
    const msghdr& header = messages[i].msg_hdr;
    Message& message = pending_[count_];
    message.at = static_cast<size_t>(i) * region;
    message.length = messages[i].msg_len;
    message.segment = message.length;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
         c = CMSG_NXTHDR(const_cast<msghdr*>(&header), c)) {
      int size = 0;
      if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
      memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) message.segment = static_cast<size_t>(size);
    }
    if ((header.msg_flags & MSG_TRUNC) != 0 || !toRecord(names[i], message.record)) {
      dropped_++;
      continue;
    }
    message.empty = message.length == 0;
    datagrams += message.empty ? 1 : (message.length + message.segment - 1) / message.segment;
    count_++;
  }
  // Next time only as many messages as the slots will hold, going by this time's.
  const size_t each = count_ == 0 ? 1 : (datagrams + count_ - 1) / count_;
  const size_t fitting = (slots.capacity() + each - 1) / each;
  wanted_ = fitting < 1 ? 1 : fitting < kMessages ? fitting : kMessages;
  return received;
}

int UdpSocket::deliver(const Slots& slots, Span<uint8_t> address, size_t packetSize) {
  size_t capacity = address.length / kRecordSize;
  if (capacity > slots.capacity()) capacity = slots.capacity();
  size_t slot = 0;
  while (count_ > 0) {
    Message& message = pending_[head_];
    // The memory may be another, smaller one than when the message was received.
    if (!slots.bytes.holds(static_cast<int64_t>(message.at),
                           static_cast<int64_t>(message.length))) {
      dropped_++;
      message.length = 0;
      message.empty = false;
    }
    if (message.empty) {
      if (slot == capacity) return static_cast<int>(slot);
      slots.offset.data[slot] = static_cast<int32_t>(message.at);
      slots.length.data[slot] = kEmptyDatagram;
      memcpy(address.data + slot * kRecordSize, message.record, kRecordSize);
      slot++;
    }
    while (message.length > 0) {
      const size_t size = message.segment < message.length ? message.segment : message.length;
      if (size > packetSize) {
        dropped_++;
      } else if (slot == capacity) {
        return static_cast<int>(slot);
      } else {
        slots.offset.data[slot] = static_cast<int32_t>(message.at);
        slots.length.data[slot] = static_cast<int32_t>(size);
        memcpy(address.data + slot * kRecordSize, message.record, kRecordSize);
        slot++;
      }
      message.at += size;
      message.length -= size;
    }
    head_++;
    count_--;
  }
  return static_cast<int>(slot);
}

/** Messages for one sendmmsg; `first` and `packets` tell which slots each stands for. */
struct UdpSocket::Outgoing {
  mmsghdr messages[kMessages];
  iovec parts[kParts];
  sockaddr_storage names[kMessages];
  alignas(cmsghdr) uint8_t control[kMessages][CMSG_SPACE(sizeof(uint16_t))];
  size_t first[kMessages];
  size_t packets[kMessages];
  size_t count;
};

/** May packets of this size be handed over together? */
bool UdpSocket::mayJoin(size_t size) {
  if (!gso_) return false;
  if (size < gsoLimit_) return true;
  if (--gsoPause_ == 0) gsoLimit_ = SIZE_MAX;
  return false;
}

void UdpSocket::joinRefused(int error, size_t size) {
  if (error == EIO) {
    // The device can't fill in checksums, and the kernel won't cut without.
    gso_ = false;
  } else {
    gsoLimit_ = size;
    gsoPause_ = kGsoPause;
  }
}

/**
 * Makes messages of slots from … to-1, until there are no more or there is no more room, and returns
 * the first slot not looked at. Neighbours of one size to one address become one message, which the
 * kernel cuts again (UDP_SEGMENT); the last of them may be shorter.
 */
size_t UdpSocket::collect(const Slots& slots, Span<uint8_t> address, size_t from, size_t to,
                          Outgoing* out) {
  size_t parts = 0;
  size_t total = 0;
  size_t segment = 0;
  const uint8_t* record = nullptr;  // of the message that may still grow
  out->count = 0;
  for (size_t i = from; i < to; i++) {
    const bool empty = slots.length.data[i] == kEmptyDatagram;
    const int32_t length = empty ? 0 : slots.length.data[i];
    if (length <= 0 && !empty) continue;
    const size_t size = static_cast<size_t>(length);
    const uint8_t* to24 = address.data + i * kRecordSize;
    if (!slots.bytes.holds(slots.offset.data[i], length) || size > kMessageSize) {
      dropped_++;
      continue;
    }
    if (parts == kParts) return i;
    iovec& part = out->parts[parts];
    part = {slots.bytes.data + slots.offset.data[i], size};
    if (record != nullptr && !empty && size <= segment && total + size <= kMessageSize &&
        memcmp(record, to24, kRecordSize) == 0) {
      const size_t last = out->count - 1;
      msghdr& header = out->messages[last].msg_hdr;
      header.msg_iovlen++;
      if (++out->packets[last] == 2) {
        header.msg_control = out->control[last];
        header.msg_controllen = sizeof out->control[last];
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        const uint16_t cut = static_cast<uint16_t>(segment);
        memcpy(CMSG_DATA(c), &cut, sizeof cut);
      }
      parts++;
      total += size;
      if (size < segment || out->packets[last] == kSegments) record = nullptr;
      continue;
    }
    if (out->count == kMessages) return i;
    const size_t at = out->count;
    const socklen_t named = toSockaddr(to24, family_, &out->names[at]);
    if (named == 0) {
      dropped_++;
      continue;
    }
    msghdr& header = out->messages[at].msg_hdr;
    header = {};
    header.msg_name = &out->names[at];
    header.msg_namelen = named;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    out->first[at] = i;
    out->packets[at] = 1;
    out->count++;
    parts++;
    segment = size;
    total = size;
    record = !empty && mayJoin(size) ? to24 : nullptr;
  }
  return to;
}

int64_t UdpSocket::send(const Slots& slots, Span<uint8_t> address, size_t from, size_t to) {
  Outgoing out;
  size_t next = from;
  while (next < to) {
    next = collect(slots, address, next, to, &out);
    size_t done = 0;
    while (done < out.count) {
      const int sent = sendmmsg(fd(), out.messages + done, static_cast<unsigned>(out.count - done),
                                MSG_DONTWAIT);
      if (sent > 0) {
        done += static_cast<size_t>(sent);
        continue;
      }
      const int error = errno;
      if (error == EINTR) continue;
      if (error == EAGAIN || error == EWOULDBLOCK) {
        wantWritable();
        return static_cast<int64_t>(out.first[done]);
      }
      if (isFatal(error)) return -error;
      if (out.packets[done] > 1 && (error == EINVAL || error == EIO || error == EMSGSIZE)) {
        joinRefused(error, out.messages[done].msg_hdr.msg_iov->iov_len);
        next = out.first[done];
        break;
      }
      // No route, refused, forbidden by a filter: that datagram is lost, as on any path.
      dropped_ += static_cast<double>(out.packets[done]);
      done++;
    }
  }
  return static_cast<int64_t>(to);
}

}  // namespace pvpn
