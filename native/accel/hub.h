/**
 * Listening sockets and connections of this host in one epoll set, which the event loop watches as one
 * descriptor. System calls alone, no JavaScript: each connection is a number, its slot.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "arguments.h"
#include "poller.h"

namespace pvpn {

class Hub : public Poller {
 public:
  /** Events of one wait; the rest comes with the next. */
  static constexpr size_t kEvents = 256;
  /** Slots at once, listeners included. */
  static constexpr size_t kSlots = 1 << 20;

  /** Flags of an event, beside Uv::kReadable and Uv::kWritable. */
  static constexpr int kMore = 4;  // behind what one read brings: the end, or urgent data
  static constexpr int kFailed = 8;  // an error waits to be read

  ~Hub() override;

  /** An epoll set, or a negative errno. */
  static int create();

  /** Puts a listening socket in. Its slot, or a negative errno (and the descriptor stays the caller's). */
  int addListener(int fd);
  /** Slot and flags of what has happened, two integers each; how many, or a negative errno. */
  int wait(Span<int32_t> out);
  /**
   * Accepts up to `out`'s length and puts each in. Stores its slot, and its far end's record in
   * `records` (all zeros for a Unix socket); how many, or a negative errno.
   */
  int accept(int slot, Span<int32_t> out, Span<uint8_t> records);
  /** Tells what is ready now once more. */
  void rearm(int slot);
  /** Takes it out: the descriptor is the caller's. */
  int take(int slot);
  void drop(int slot, bool reset);
  /** Closes every descriptor, and the set. */
  void closeAll();

  /** -1: no such slot. */
  int connection(int64_t slot) const { return descriptor(slot, kConnection); }
  int listener(int64_t slot) const { return descriptor(slot, kListener); }
  bool used(int64_t slot) const { return connection(slot) >= 0 || listener(slot) >= 0; }

 private:
  enum Kind : uint8_t { kFree, kListener, kConnection };
  struct Entry {
    int fd;
    /** Counts the slot's users: an event of a former one tells nothing of this one. */
    uint32_t generation;
    int32_t next; /* of the list of free slots */
    Kind kind;
  };

  int add(int fd, Kind kind, uint32_t events);
  int freeSlot();
  void forget(int slot);
  void shed(int listener);
  int descriptor(int64_t slot, Kind kind) const;

  Entry* entries_ = nullptr;
  size_t count_ = 0;
  size_t capacity_ = 0;
  int32_t free_ = -1;
  /** Given back since the last wait: not used again before the next, as an event may still name it. */
  int32_t resting_ = -1;
  /** Kept for the moment when there is no other: then a client can be accepted, to be closed. */
  int spare_ = -1;
};

}  // namespace pvpn
