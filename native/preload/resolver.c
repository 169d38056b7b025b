/** res_query and its relatives, by all the names that the C library and its libresolv have had for them. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

/* The header renames some of them, and which ones depends on the version. */
#undef res_init
#undef res_ninit
#undef res_query
#undef res_nquery
#undef res_search
#undef res_nsearch
#undef res_querydomain
#undef res_nquerydomain
#undef res_send
#undef res_nsend

/** What the addresses of the name servers are, as in the file resolv.conf. */
#define NAME_SERVER "127.0.0.53"

static int failed(int problem) {
  h_errno = problem;
  return -1;
}

static int question(const char *name, int class, int type, unsigned flags, unsigned char *answer,
                    int room) {
  const size_t length = strlen(name);
  if (length == 0 || length >= MOST_NAME || room < NS_HFIXEDSZ) return failed(NO_RECOVERY);
  const struct pvpn_request request = {.kind = PVPN_QUESTION,
                                       .flags = (uint16_t)flags,
                                       .value = (uint32_t)(type & 0xffff) |
                                                (uint32_t)(class & 0xffff) << 16,
                                       .data = name,
                                       .size = (uint32_t)length,
                                       .descriptor = -1};
  struct pvpn_reply reply = {.data = answer, .room = (uint32_t)room};
  if (pvpn_query(&request, &reply) != 0) {
    errno = ECONNREFUSED;
    return failed(TRY_AGAIN);
  }
  if (reply.value != 0) return failed((int)reply.value);
  if (reply.size < NS_HFIXEDSZ) return failed(NO_RECOVERY);
  return (int)reply.size;
}

static int sendMessage(const unsigned char *query, int length, unsigned char *answer, int room) {
  const struct pvpn_request request = {
      .kind = PVPN_EXCHANGE, .data = query, .size = (uint32_t)length, .descriptor = -1};
  struct pvpn_reply reply = {.data = answer, .room = (uint32_t)room};
  if (length < NS_HFIXEDSZ || room < NS_HFIXEDSZ) {
    errno = EINVAL;
    return -1;
  }
  if (pvpn_query(&request, &reply) != 0 || reply.size < NS_HFIXEDSZ) {
    errno = ETIMEDOUT;
    return -1;
  }
  return (int)reply.size;
}

static int inDomain(const char *name, const char *domain, int class, int type,
                    unsigned char *answer, int room) {
  char whole[2 * MOST_NAME];
  const char *dot = domain == NULL || *domain == 0 ? "" : ".";
  snprintf(whole, sizeof whole, "%s%s%s", name, dot, domain == NULL ? "" : domain);
  return question(whole, class, type, 0, answer, room);
}

/** The environment's search domains, from its resolv.conf, in the place of the host's. */
static void takeSearch(struct __res_state *state) {
  char line[sizeof state->defdname + 8];
  FILE *file = fopen("/etc/resolv.conf", "re");
  memset(state->dnsrch, 0, sizeof state->dnsrch);
  state->defdname[0] = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "search ", 7) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(state->defdname, sizeof state->defdname, "%.*s", (int)sizeof state->defdname - 1, line + 7);
    char *rest = state->defdname;
    for (int i = 0; i < MAXDNSRCH;) {
      char *domain = strsep(&rest, " \t");
      if (domain == NULL) break;
      if (*domain != 0) state->dnsrch[i++] = domain;
    }
  }
  if (file != NULL) fclose(file);
}

/** The host's name servers and domains, which a program may look up there, make place for ours. */
static int inside(struct __res_state *state, int result) {
  if (state == NULL || pvpn_path() == NULL) return result;
  state->nscount = 1;
  state->nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET,
                                               .sin_port = htons(NS_DEFAULTPORT)};
  inet_pton(AF_INET, NAME_SERVER, &state->nsaddr_list[0].sin_addr);
  state->ndots = 1;
  takeSearch(state);
  return result;
}

int res_init(void);
int res_ninit(struct __res_state *);
int res_query(const char *, int, int, unsigned char *, int);
int res_nquery(struct __res_state *, const char *, int, int, unsigned char *, int);
int res_search(const char *, int, int, unsigned char *, int);
int res_nsearch(struct __res_state *, const char *, int, int, unsigned char *, int);
int res_querydomain(const char *, const char *, int, int, unsigned char *, int);
int res_nquerydomain(struct __res_state *, const char *, const char *, int, int, unsigned char *, int);
int res_send(const unsigned char *, int, unsigned char *, int);
int res_nsend(struct __res_state *, const unsigned char *, int, unsigned char *, int);
int __res_init(void);
int __res_ninit(struct __res_state *);
int __res_query(const char *, int, int, unsigned char *, int);
int __res_nquery(struct __res_state *, const char *, int, int, unsigned char *, int);
int __res_search(const char *, int, int, unsigned char *, int);
int __res_nsearch(struct __res_state *, const char *, int, int, unsigned char *, int);
int __res_querydomain(const char *, const char *, int, int, unsigned char *, int);
int __res_nquerydomain(struct __res_state *, const char *, const char *, int, int, unsigned char *, int);
int __res_send(const unsigned char *, int, unsigned char *, int);
int __res_nsend(struct __res_state *, const unsigned char *, int, unsigned char *, int);

/** Both names of one function, each with the C library's own of that name behind it. */
#define BOTH(name, parameters, arguments, ours)                            \
  PVPN_EXPORT int name parameters {                                        \
    return pvpn_path() == NULL ? PVPN_NEXT(name) arguments : ours;         \
  }                                                                        \
  PVPN_EXPORT int __##name parameters {                                    \
    return pvpn_path() == NULL ? PVPN_NEXT(__##name) arguments : ours;     \
  }

BOTH(res_query, (const char *name, int class, int type, unsigned char *answer, int room),
     (name, class, type, answer, room), question(name, class, type, 0, answer, room))
BOTH(res_nquery,
     (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room),
     (state, name, class, type, answer, room), question(name, class, type, 0, answer, room))
BOTH(res_search, (const char *name, int class, int type, unsigned char *answer, int room),
     (name, class, type, answer, room), question(name, class, type, PVPN_SEARCH, answer, room))
BOTH(res_nsearch,
     (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room),
     (state, name, class, type, answer, room), question(name, class, type, PVPN_SEARCH, answer, room))
BOTH(res_querydomain,
     (const char *name, const char *domain, int class, int type, unsigned char *answer, int room),
     (name, domain, class, type, answer, room), inDomain(name, domain, class, type, answer, room))
BOTH(res_nquerydomain,
     (struct __res_state *state, const char *name, const char *domain, int class, int type,
      unsigned char *answer, int room),
     (state, name, domain, class, type, answer, room),
     inDomain(name, domain, class, type, answer, room))
BOTH(res_send, (const unsigned char *query, int length, unsigned char *answer, int room),
     (query, length, answer, room), sendMessage(query, length, answer, room))
BOTH(res_nsend,
     (struct __res_state *state, const unsigned char *query, int length, unsigned char *answer, int room),
     (state, query, length, answer, room), sendMessage(query, length, answer, room))

/** By either name: a C library has at least one. */
static int initialise(struct __res_state *state) {
  int (*own)(struct __res_state *) = pvpn_next("__res_ninit");
  if (own == NULL) own = pvpn_next("res_ninit");
  return own == NULL ? -1 : inside(state, own(state));
}
static int initialiseShared(void) {
  int (*own)(void) = pvpn_next("__res_init");
  if (own == NULL) own = pvpn_next("res_init");
  return own == NULL ? -1 : inside(&_res, own());
}
PVPN_EXPORT int res_ninit(struct __res_state *state) { return initialise(state); }
PVPN_EXPORT int __res_ninit(struct __res_state *state) { return initialise(state); }
PVPN_EXPORT int res_init(void) { return initialiseShared(); }
PVPN_EXPORT int __res_init(void) { return initialiseShared(); }
