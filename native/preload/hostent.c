/** gethostbyname and its relatives. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "names.h"

/** Bytes of the answers of the functions that have one buffer for all. */
#define SHARED 8192

/** Takes memory from the caller's buffer; NULL: it is too small. */
struct room {
  char *at;
  size_t left;
};

static void *take(struct room *room, size_t size, size_t align) {
  const size_t pad = (align - (uintptr_t)room->at % align) % align;
  if (pad + size > room->left) return NULL;
  char *taken = room->at + pad;
  room->at = taken + size;
  room->left -= pad + size;
  return taken;
}

static char *takeText(struct room *room, const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = take(room, size, 1);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

/** 0, or ERANGE. `names`: each ends with 0, an empty one is the end; the first is the name. */
static int fill(struct hostent *out, struct room *room, int family, const char *names,
                const struct pvpn_address *addresses, unsigned count) {
  const size_t length = family == AF_INET ? 4 : 16;
  unsigned aliases = 0;
  for (const char *at = names + strlen(names) + 1; *at != 0; at += strlen(at) + 1) aliases++;
  char **list = take(room, (count + 1) * sizeof *list, sizeof *list);
  char **others = take(room, (aliases + 1) * sizeof *others, sizeof *others);
  char *name = takeText(room, names);
  if (list == NULL || others == NULL || name == NULL) return ERANGE;
  for (unsigned i = 0; i < count; i++) {
    list[i] = take(room, length, 4);
    if (list[i] == NULL) return ERANGE;
    memcpy(list[i], addresses[i].bytes, length);
  }
  const char *at = names + strlen(names) + 1;
  for (unsigned i = 0; i < aliases; i++, at += strlen(at) + 1) {
    others[i] = takeText(room, at);
    if (others[i] == NULL) return ERANGE;
  }
  list[count] = NULL;
  others[aliases] = NULL;
  *out = (struct hostent){.h_name = name,
                          .h_aliases = others,
                          .h_addrtype = family,
                          .h_length = (int)length,
                          .h_addr_list = list};
  return 0;
}

/** As the functions with _r end. */
static int finish(int error, int status, struct hostent *out, struct hostent **result,
                  int *restrict problem) {
  *result = error == 0 && status == 0 ? out : NULL;
  *problem = error != 0 ? NETDB_INTERNAL : status;
  if (error != 0) return error;
  // The C library says so too: what was not found is no error but for one that may pass.
  return status == TRY_AGAIN ? EAGAIN : 0;
}

static bool numeric(const char *name, int family) {
  unsigned char bytes[16];
  struct in_addr four;
  if (inet_aton(name, &four) != 0) return true;
  return (family == AF_INET6 || strchr(name, ':') != NULL) &&
         inet_pton(AF_INET6, name, bytes) == 1;
}

PVPN_EXPORT int gethostbyname2_r(const char *restrict name, int family,
                                 struct hostent *restrict out, char *restrict buffer, size_t size,
                                 struct hostent **restrict result, int *restrict problem) {
  if (pvpn_path() == NULL || numeric(name, family)) {
    return PVPN_NEXT(gethostbyname2_r)(name, family, out, buffer, size, result, problem);
  }
  if (family != AF_INET && family != AF_INET6) {
    return finish(EAFNOSUPPORT, 0, out, result, problem);
  }
  struct pvpn_found found;
  const int status = pvpn_lookup(name, family == AF_INET ? PVPN_WANT_4 : PVPN_WANT_6, &found);
  if (status != 0) return finish(0, status, out, result, problem);
  // The one that was asked for is an alias when it led elsewhere, not when it was made whole by a search domain.
  char names[2 * MOST_NAME + 2] = {0};
  const size_t length = strlen(name);
  const size_t bare = length > 0 && name[length - 1] == '.' ? length - 1 : length;
  const bool whole = strncasecmp(found.name, name, bare) == 0 &&
                     (found.name[bare] == 0 || found.name[bare] == '.');
  strcpy(names, found.name);
  if (!whole && length < MOST_NAME) strcpy(names + strlen(found.name) + 1, name);
  struct room room = {buffer, size};
  const int error = fill(out, &room, family, names, found.addresses, found.count);
  return finish(error, 0, out, result, problem);
}

PVPN_EXPORT int gethostbyname_r(const char *restrict name, struct hostent *restrict out,
                                char *restrict buffer, size_t size,
                                struct hostent **restrict result, int *restrict problem) {
  if (pvpn_path() == NULL) {
    return PVPN_NEXT(gethostbyname_r)(name, out, buffer, size, result, problem);
  }
  return gethostbyname2_r(name, AF_INET, out, buffer, size, result, problem);
}

PVPN_EXPORT int gethostbyaddr_r(const void *restrict address, socklen_t length, int family,
                                struct hostent *restrict out, char *restrict buffer, size_t size,
                                struct hostent **restrict result, int *restrict problem) {
  if (pvpn_path() == NULL) {
    return PVPN_NEXT(gethostbyaddr_r)(address, length, family, out, buffer, size, result, problem);
  }
  if ((family != AF_INET || length != 4) && (family != AF_INET6 || length != 16)) {
    return finish(EINVAL, 0, out, result, problem);
  }
  struct pvpn_reversed found;
  const int status = pvpn_reverse(family, address, &found);
  if (status != 0) return finish(0, status, out, result, problem);
  struct pvpn_address one = {.family = family == AF_INET ? 4 : 6};
  memcpy(one.bytes, address, length);
  struct room room = {buffer, size};
  return finish(fill(out, &room, family, found.names, &one, 1), 0, out, result, problem);
}

/** One answer for a thread, where the C library has one for all. */
static __thread struct {
  struct hostent entry;
  char buffer[SHARED];
} shared;

/** As the functions without _r end. */
static struct hostent *told(struct hostent *result, int problem) {
  if (result == NULL) h_errno = problem;
  return result;
}

PVPN_EXPORT struct hostent *gethostbyname2(const char *name, int family) {
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostbyname2)(name, family);
  struct hostent *result = NULL;
  int problem = 0;
  gethostbyname2_r(name, family, &shared.entry, shared.buffer, SHARED, &result, &problem);
  return told(result, problem);
}

PVPN_EXPORT struct hostent *gethostbyname(const char *name) {
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostbyname)(name);
  return gethostbyname2(name, AF_INET);
}

PVPN_EXPORT struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostbyaddr)(address, length, family);
  struct hostent *result = NULL;
  int problem = 0;
  gethostbyaddr_r(address, length, family, &shared.entry, shared.buffer, SHARED, &result, &problem);
  return told(result, problem);
}

/** The list of all hosts would be the host's: nothing is in it. */
PVPN_EXPORT struct hostent *gethostent(void) {
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostent)();
  return told(NULL, HOST_NOT_FOUND);
}

PVPN_EXPORT int gethostent_r(struct hostent *restrict out, char *restrict buffer, size_t size,
                             struct hostent **restrict result, int *restrict problem) {
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostent_r)(out, buffer, size, result, problem);
  *result = NULL;
  *problem = HOST_NOT_FOUND;
  return ENOENT;
}

/** glibc's own asks the address of the host's name outside, by nscd. */
PVPN_EXPORT long gethostid(void) {
  char name[MOST_NAME];
  int32_t id;
  struct pvpn_found found;
  if (pvpn_path() == NULL) return PVPN_NEXT(gethostid)();
  const int file = open("/etc/hostid", O_RDONLY | O_CLOEXEC);
  const bool known = file >= 0 && syscall(SYS_read, file, &id, sizeof id) == sizeof id;
  if (file >= 0) close(file);
  if (known) return id;
  if (gethostname(name, sizeof name) != 0 || name[0] == 0 ||
      pvpn_lookup(name, PVPN_WANT_4, &found) != 0) {
    return 0;
  }
  uint32_t address;
  memcpy(&address, found.addresses[0].bytes, sizeof address);
  return (int32_t)(address << 16 | address >> 16);
}
