#include "hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "udp-socket.h"

namespace pvpn {
namespace {

/** Edges alone: reading goes on until nothing is left, so that no call is needed to pause or resume. */
constexpr uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
constexpr size_t kFirstSlots = 64;
/** Failing accepts in a row before others get their turn. */
constexpr int kTries = 64;

uint64_t nameOf(int slot, uint32_t generation) {
  return static_cast<uint64_t>(generation) << 32 | static_cast<uint32_t>(slot);
}

int openSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

/** Of one client that has gone again, or of its network: the next one may be well. */
bool isTransient(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

int Hub::create() {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  return set < 0 ? -errno : set;
}

Hub::~Hub() {
  closeAll();
  free(entries_);
}

int Hub::addListener(int fd) {
  if (spare_ < 0) spare_ = openSpare();
  // Not edges: a turn accepts only so many, and the next one is told of the rest.
  return add(fd, kListener, EPOLLIN);
}

int Hub::wait(Span<int32_t> out) {
  while (resting_ >= 0) {
    const int32_t slot = resting_;
    resting_ = entries_[slot].next;
    entries_[slot].next = free_;
    free_ = slot;
  }
  epoll_event events[kEvents];
  size_t most = out.length / 2;
  if (most > kEvents) most = kEvents;
  if (most == 0) return 0;
  int count;
  do {
    count = epoll_wait(fd(), events, static_cast<int>(most), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  int told = 0;
  for (int i = 0; i < count; i++) {
    const uint32_t slot = static_cast<uint32_t>(events[i].data.u64);
    const uint32_t generation = static_cast<uint32_t>(events[i].data.u64 >> 32);
    if (slot >= count_ || entries_[slot].kind == kFree ||
        entries_[slot].generation != generation) {
      continue;
    }
    const uint32_t what = events[i].events;
    out.data[2 * told] = static_cast<int32_t>(slot);
    out.data[2 * told + 1] = ((what & EPOLLIN) != 0 ? Uv::kReadable : 0) |
                             ((what & EPOLLOUT) != 0 ? Uv::kWritable : 0) |
                             ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLPRI)) != 0 ? kMore : 0) |
                             ((what & EPOLLERR) != 0 ? kFailed : 0);
    told++;
  }
  return told;
}

int Hub::accept(int slot, Span<int32_t> out, Span<uint8_t> records) {
  const int from = listener(slot);
  size_t most = records.length / kRecordSize;
  if (most > out.length) most = out.length;
  size_t count = 0;
  int tries = 0;
  while (count < most) {
    sockaddr_storage name;
    socklen_t size = sizeof name;
    const int fd = accept4(from, reinterpret_cast<sockaddr*>(&name), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      const int error = errno;
      if (isTransient(error) && ++tries < kTries) continue;
      if (error == EMFILE || error == ENFILE) shed(from);
      if (count > 0 || error == EAGAIN || error == EWOULDBLOCK || isTransient(error)) break;
      return -error;
    }
    const int place = add(fd, kConnection, kEdges);
    if (place < 0) {
      ::close(fd);
      continue;
    }
    if (size == 0) name.ss_family = AF_UNSPEC;
    toRecord(name, records.data + count * kRecordSize);
    out.data[count++] = place;
  }
  return static_cast<int>(count);
}

/**
 * There is no descriptor left, and what waits would be told again and again: it is accepted by the spare
 * one and closed. (As libuv does.)
 */
void Hub::shed(int listener) {
  if (spare_ < 0) return;
  ::close(spare_);
  for (int i = 0; i < kTries; i++) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) break;
    ::close(fd);
  }
  spare_ = openSpare();
}

void Hub::rearm(int slot) {
  const Entry& entry = entries_[slot];
  epoll_event event = {};
  event.events = kEdges;
  event.data.u64 = nameOf(slot, entry.generation);
  epoll_ctl(fd(), EPOLL_CTL_MOD, entry.fd, &event);
}

int Hub::take(int slot) {
  const int taken = entries_[slot].fd;
  epoll_ctl(fd(), EPOLL_CTL_DEL, taken, nullptr);
  forget(slot);
  return taken;
}

void Hub::drop(int slot, bool reset) {
  const Entry& entry = entries_[slot];
  if (reset) {
    const linger now = {1, 0};
    setsockopt(entry.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  // The kernel takes it out of the set.
  ::close(entry.fd);
  forget(slot);
}

void Hub::closeAll() {
  for (size_t i = 0; i < count_; i++) {
    if (entries_[i].kind != kFree) drop(static_cast<int>(i), false);
  }
  if (spare_ >= 0) ::close(spare_);
  spare_ = -1;
  close();
}

int Hub::add(int fd, Kind kind, uint32_t events) {
  const int slot = freeSlot();
  if (slot < 0) return slot;
  Entry& entry = entries_[slot];
  epoll_event event = {};
  event.events = events;
  event.data.u64 = nameOf(slot, entry.generation);
  entry.fd = fd;
  entry.kind = kind;
  if (epoll_ctl(this->fd(), EPOLL_CTL_ADD, fd, &event) == 0) return slot;
  const int error = errno;
  forget(slot);
  return -error;
}

int Hub::freeSlot() {
  if (free_ >= 0) {
    const int32_t slot = free_;
    free_ = entries_[slot].next;
    return slot;
  }
  if (count_ == kSlots) return -ENFILE;
  if (count_ == capacity_) {
    const size_t wanted = capacity_ == 0 ? kFirstSlots : 2 * capacity_;
    void* grown = realloc(entries_, wanted * sizeof(Entry));
    if (grown == nullptr) return -ENOMEM;
    entries_ = static_cast<Entry*>(grown);
    capacity_ = wanted;
  }
  entries_[count_] = {-1, 0, -1, kFree};
  return static_cast<int>(count_++);
}

void Hub::forget(int slot) {
  Entry& entry = entries_[slot];
  entry.fd = -1;
  entry.kind = kFree;
  entry.generation++;
  entry.next = resting_;
  resting_ = slot;
}

int Hub::descriptor(int64_t slot, Kind kind) const {
  if (slot < 0 || static_cast<uint64_t>(slot) >= count_) return -1;
  const Entry& entry = entries_[slot];
  return entry.kind == kind ? entry.fd : -1;
}

}  // namespace pvpn
