/** The socket behind udp.h: what the kernel can do, and system calls over batches. No JavaScript here. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "alarm.h"
#include "arguments.h"
#include "poller.h"

namespace pvpn {

/** Bytes of a socket address record (src/core/socket-address.ts). */
constexpr size_t kRecordSize = 24;
/** A slot's length for a datagram without content: 0 is a slot whose packet was dropped (packet-batch.ts). */
constexpr int32_t kEmptyDatagram = -1;

/** A record as the kernel wants it; IPv4 becomes mapped IPv6 on an IPv6 socket. 0: it does not fit the socket. */
socklen_t toSockaddr(const uint8_t* record, int family, sockaddr_storage* out);
/** False when it is of no family that records have. */
bool toRecord(const sockaddr_storage& from, uint8_t* record);

struct SocketOptions {
  bool only6;
  int receiveBuffer;
  int sendBuffer;
};

/** An open, bound, non-blocking UDP socket, or a negative errno; `call` names what failed. */
int openSocket(const uint8_t* record, const SocketOptions& options, const char** call);

class UdpSocket : public Poller {
 public:
  /** Messages of one recvmmsg or sendmmsg. */
  static constexpr size_t kMessages = 64;
  /** Datagrams that the kernel cuts one message into: UDP_MAX_SEGMENTS of the oldest kernels. */
  static constexpr size_t kSegments = 64;

  /** Learns what the kernel offers. */
  void prepare(int fd, int family);

  /**
   * Fills slots with what has arrived and returns how many; 0 when there is nothing, or a negative
   * errno. `bytes` is cut into regions of `region` bytes, one for each message of the kernel; a message
   * that the kernel has put together from several datagrams (GRO) fills several slots that lie in one
   * region. What found no slot stays in its region: the next call delivers that first, and asks the
   * kernel only when nothing was left and `fresh` is set.
   */
  int receive(const Slots& slots, Span<uint8_t> address, size_t region, size_t packetSize,
              bool fresh);
  /** Sends slots from … to-1 and returns the first that was not taken; the callback tells when to go on. */
  int64_t send(const Slots& slots, Span<uint8_t> address, size_t from, size_t to);

  /**
   * Does not tell what arrives for so many microseconds, then tells once, be there anything or not;
   * 0: tells at once again. False: there can be no such rest.
   */
  bool rest(napi_env env, int64_t microseconds);
  /** The end of both, the socket and its rest. */
  void shut();

  int receiveBuffer() const;
  int sendBuffer() const;
  int port() const;
  /** Bytes that the kernel holds for us, its overhead included; 0 when it does not tell. */
  uint32_t waiting() const;
  bool gro() const { return gro_; }
  bool gso() const { return gso_; }
  /** Datagrams lost here: too long, of no known family, refused by the kernel. */
  double dropped() const { return dropped_; }

 private:
  /** A received message, or what is left of it. */
  struct Message {
    size_t at;
    size_t length;
    size_t segment;
    bool empty; /* a datagram without content */
    uint8_t record[kRecordSize];
  };
  struct Outgoing;

  ~UdpSocket() override;

  int receiveMessages(const Slots& slots, size_t region);
  int deliver(const Slots& slots, Span<uint8_t> address, size_t packetSize);
  size_t collect(const Slots& slots, Span<uint8_t> address, size_t from, size_t to, Outgoing* out);
  bool mayJoin(size_t size);
  void joinRefused(int error, size_t size);

  int family_ = AF_INET;
  bool gro_ = false;
  bool gso_ = false;
  /** Datagrams of this size and more are not put together for now: they exceed a path's MTU. */
  size_t gsoLimit_ = SIZE_MAX;
  uint32_t gsoPause_ = 0;
  double dropped_ = 0;
  /** Made for the first rest. */
  Alarm* alarm_ = nullptr;
  size_t wanted_ = kMessages;
  size_t head_ = 0;
  size_t count_ = 0;
  Message pending_[kMessages];
};

}  // namespace pvpn
