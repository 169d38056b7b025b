/** Bounds of the resolver. Everything that a server, a program or a configuration can make grow ends here. */

/** Bytes of UDP answer that queries invite (EDNS, RFC 6891; the size that the DNS flag day of 2020 settled on). Larger answers come truncated and are asked for again by TCP. */
export const DNS_UDP_PAYLOAD = 1232
/** Largest UDP payload, in bytes, that an answer to a client's raw query may have, whatever its EDNS record promises; what is larger goes out truncated. */
export const DNS_CLIENT_UDP_PAYLOAD = 4096
/** Compression pointers followed in one name; a name with more makes the message malformed. */
export const DNS_POINTERS = 32
/** CNAMEs followed from one question, over all the messages that took part; then the name counts as failed. */
export const DNS_CHAIN = 12
/** Records of one answer that are looked at for the chain from the question; the rest of it is ignored. */
export const DNS_RECORDS = 512
/** Addresses or names taken from one answer; the rest of it is ignored. */
export const DNS_VALUES = 64
/** Answers in the cache; then the least recently used goes. */
export const DNS_CACHE_ENTRIES = 4096
/** Bytes of answers in the cache; then the least recently used goes. */
export const DNS_CACHE_BYTES = 4 * 1024 * 1024
/** Largest answer that is cached, in bytes. */
export const DNS_CACHE_MESSAGE = 16 * 1024
/** Longest time that an answer is kept, in seconds, whatever its TTL says. */
export const DNS_TTL = 3600
/** Longest time that "no such name" or "no such record" is kept, in seconds (RFC 2308 section 5). */
export const DNS_NEGATIVE_TTL = 300
/** Servers asked for one name; a longer list is cut. */
export const DNS_SERVERS = 8
/** Search domains tried for one name; a longer list is cut. */
export const DNS_SEARCH = 16
/** Questions under way to servers at one time; one more fails with ERR_LIMIT (a raw query: SERVFAIL). */
export const DNS_INQUIRIES = 1024
/** Look-ups and raw queries waiting at one time; one more fails with ERR_LIMIT (a raw query: SERVFAIL). */
export const DNS_WAITERS = 8192
/** Datagrams and connections that one question may cost; then it waits for what is under way. */
export const DNS_ATTEMPTS = 24
/** Rounds over the list of servers that were silent; then the question has failed. */
export const DNS_ROUNDS = 3
/** Answers with the wrong id, source or question that one query puts up with; then the server is asked by TCP, where they can't be injected (RFC 5452 section 9.2). */
export const DNS_MISMATCHES = 20
/** Milliseconds without an answer until the next server is asked: at least, and at most (also the value for a server of unknown round-trip time). Doubles with each round. */
export const DNS_WAIT_MIN = 500
export const DNS_WAIT_MAX = 1000
/** Milliseconds for connection and answer by TCP until the next server is asked. */
export const DNS_TCP_WAIT = 3000
/** Milliseconds for one question of a look-up, over all servers. */
export const DNS_INQUIRY_TIME = 8000
/** Milliseconds for one raw query, over all servers: less than the 5 s after which stub resolvers ask again. */
export const DNS_EXCHANGE_TIME = 4500
/** Milliseconds for one look-up: search domains and CNAMEs included. */
export const DNS_LOOKUP_TIME = 12_000
/** Milliseconds that a silent server is passed over: the first time, and at most (it doubles); then a query goes to it beside the one that counts, and its answer takes it back. */
export const DNS_DEAD_MIN = 5000
export const DNS_DEAD_MAX = 60_000
/** Milliseconds that a look-up of both families waits for the second one once the first has addresses. */
export const DNS_FAMILY_GRACE = 500
