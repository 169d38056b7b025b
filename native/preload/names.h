/** Names: what the program's resolver functions ask of the environment. src/wrap/virtual/names.ts answers. */
#ifndef PVPN_NAMES_H
#define PVPN_NAMES_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

#include "preload.h"

/** What stands at PVPN_NAMES of protocol.h and behind it. A reply's `value` is 0 or an h_errno. */
enum pvpn_name_kind {
  /** data: a DNS message. Reply: the resolver's answer. */
  PVPN_EXCHANGE = PVPN_NAMES,
  /** `value`: type + class << 16. data: a name. Reply: the DNS message. PVPN_SEARCH: with the search domains. */
  PVPN_QUESTION,
  /** `value`: of enum pvpn_lookup. data: a name. Reply: the canonical name, 0, then struct pvpn_address of each. */
  PVPN_LOOKUP,
  /** data: struct pvpn_address. Reply: names, a 0 behind each. */
  PVPN_REVERSE,
};

/** In the flags of PVPN_QUESTION. */
#define PVPN_SEARCH 1

enum pvpn_lookup {
  PVPN_WANT_4 = 1,
  PVPN_WANT_6 = 2,
  /** Only families that the environment has addresses of (AI_ADDRCONFIG). */
  PVPN_WANT_OWN = 4,
  /** The name is UTF-8, to be put as IDNA (AI_IDN). */
  PVPN_WANT_IDNA = 8,
};

/** Addresses of one answer, and bytes of its name; src/wrap/virtual/limits.ts has the same. */
#define MOST_FOUND 64
#define MOST_NAME 256

struct pvpn_found {
  char name[MOST_NAME];
  unsigned count;
  struct pvpn_address addresses[MOST_FOUND];
};

/** Names of an address; each ends with 0, an empty one is the end. */
struct pvpn_reversed {
  char names[4 * MOST_NAME + 1];
};

/* names.c: both answer 0 or an h_errno. */
int pvpn_lookup(const char *name, unsigned want, struct pvpn_found *found);
int pvpn_reverse(int family, const void *address, struct pvpn_reversed *found);

#endif
