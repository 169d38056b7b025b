/**
 * What each function of the C library that answers names says, one line for each question:
 *
 *   FUNCTION ARGUMENT: NAME ADDRESS… | error WORD
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *wordOf(int problem) {
  switch (problem) {
    case HOST_NOT_FOUND:
      return "HOST_NOT_FOUND";
    case TRY_AGAIN:
      return "TRY_AGAIN";
    case NO_RECOVERY:
      return "NO_RECOVERY";
    case NO_DATA:
      return "NO_DATA";
    default:
      return "NETDB_INTERNAL";
  }
}

static const char *eaiOf(int error) {
  switch (error) {
    case EAI_NONAME:
      return "EAI_NONAME";
    case EAI_AGAIN:
      return "EAI_AGAIN";
    case EAI_FAIL:
      return "EAI_FAIL";
    case EAI_NODATA:
      return "EAI_NODATA";
    case EAI_BADFLAGS:
      return "EAI_BADFLAGS";
    case EAI_SERVICE:
      return "EAI_SERVICE";
    case EAI_FAMILY:
      return "EAI_FAMILY";
    case EAI_OVERFLOW:
      return "EAI_OVERFLOW";
    default:
      return gai_strerror(error);
  }
}

static void sayEntry(const char *what, const char *name, const struct hostent *entry) {
  printf("%s %s:", what, name);
  if (entry == NULL) {
    printf(" error %s\n", wordOf(h_errno));
    return;
  }
  printf(" %s", entry->h_name);
  for (char **at = entry->h_addr_list; *at != NULL; at++) {
    char text[INET6_ADDRSTRLEN];
    printf(" %s", inet_ntop(entry->h_addrtype, *at, text, sizeof text));
  }
  for (char **at = entry->h_aliases; *at != NULL; at++) printf(" (%s)", *at);
  puts("");
}

static void sayInfo(const char *name, const char *service, int family, int flags, int type) {
  const struct addrinfo hints = {.ai_family = family, .ai_flags = flags, .ai_socktype = type};
  struct addrinfo *found = NULL;
  const int error = getaddrinfo(name, service, &hints, &found);
  printf("getaddrinfo/%d/%x/%d %s %s:", family, (unsigned)flags, type, name == NULL ? "-" : name,
         service == NULL ? "-" : service);
  if (error != 0) {
    printf(" error %s\n", eaiOf(error));
    return;
  }
  if (found->ai_canonname != NULL) printf(" %s", found->ai_canonname);
  for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
    char host[64];
    char port[16];
    getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    printf(" %s,%s,%d", host, port, at->ai_socktype);
  }
  freeaddrinfo(found);
  puts("");
}

static void sayName(const char *address, int flags, socklen_t room) {
  char host[256] = "";
  char service[32] = "";
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(80)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
  const int v4 = inet_pton(AF_INET, address, &four.sin_addr) == 1;
  if (!v4) inet_pton(AF_INET6, address, &six.sin6_addr);
  const int error = v4 ? getnameinfo((struct sockaddr *)&four, sizeof four, host, room, service, sizeof service, flags)
                       : getnameinfo((struct sockaddr *)&six, sizeof six, host, room, service, sizeof service, flags);
  if (error != 0) printf("getnameinfo/%x %s: error %s\n", (unsigned)flags, address, eaiOf(error));
  else printf("getnameinfo/%x %s: %s %s\n", (unsigned)flags, address, host, service);
}

static void sayAnswer(const char *what, const char *name, int length, const unsigned char *answer) {
  ns_msg message;
  ns_rr record;
  printf("%s %s:", what, name);
  if (length < 0) {
    printf(" error %s\n", wordOf(h_errno));
    return;
  }
  if (ns_initparse(answer, length, &message) != 0) {
    puts(" error malformed");
    return;
  }
  printf(" rcode %d", ns_msg_getflag(message, ns_f_rcode));
  for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
    char text[INET6_ADDRSTRLEN];
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) continue;
    if (ns_rr_type(record) != ns_t_a && ns_rr_type(record) != ns_t_aaaa) continue;
    const int family = ns_rr_type(record) == ns_t_a ? AF_INET : AF_INET6;
    printf(" %s", inet_ntop(family, ns_rr_rdata(record), text, sizeof text));
  }
  puts("");
}

static void sayFile(const char *path) {
  FILE *file = fopen(path, "r");
  char line[256];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    printf("file %s: %s\n", path, line);
  }
  if (file != NULL) fclose(file);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, line, 5);
  printf("open %s: %.*s\n", path, got > 0 ? (int)got : 0, line);
  if (fd >= 0) close(fd);
}

int main(void) {
  unsigned char answer[4096];
  unsigned char query[512];
  static const char *const kNames[] = {"www.office.example", "WWW.office.example.", "www", "build",
                                       "only6",              "nosuch.office.example", "broken.test",
                                       "192.168.11.10",      "localhost",             ""};
  for (size_t i = 0; i < sizeof kNames / sizeof *kNames; i++) {
    sayEntry("gethostbyname", kNames[i], gethostbyname(kNames[i]));
    sayEntry("gethostbyname2/6", kNames[i], gethostbyname2(kNames[i], AF_INET6));
    sayInfo(kNames[i], NULL, AF_UNSPEC, AI_CANONNAME, SOCK_STREAM);
  }
  sayInfo("www", "http", AF_INET, 0, 0);
  sayInfo("www", "99", AF_INET6, AI_NUMERICSERV, SOCK_DGRAM);
  sayInfo("www", "nosuchservice", AF_INET, 0, 0);
  sayInfo("www", "http", AF_INET, AI_NUMERICHOST, 0);
  sayInfo("www", "http", AF_INET6, AI_V4MAPPED | AI_ALL, SOCK_STREAM);
  sayInfo("build", "http", AF_INET6, AI_V4MAPPED, SOCK_STREAM);
  sayInfo("build", "http", AF_INET6, 0, SOCK_STREAM);
  sayInfo("www", "http", AF_UNSPEC, AI_ADDRCONFIG, SOCK_STREAM);
  sayInfo("www", "http", 99, 0, SOCK_STREAM);
  sayInfo("www", "http", AF_INET, 1 << 20, SOCK_STREAM);
  sayInfo(NULL, "80", AF_INET, AI_PASSIVE, SOCK_STREAM);
  sayInfo(NULL, NULL, AF_INET, 0, SOCK_STREAM);
  sayInfo("fd00::1", "80", AF_UNSPEC, AI_ADDRCONFIG, SOCK_STREAM);
  sayName("192.168.11.10", 0, 256);
  sayName("fd00:11::10", 0, 256);
  sayName("192.168.11.20", NI_NUMERICSERV, 256);
  sayName("192.168.11.10", NI_NUMERICHOST, 256);
  sayName("192.168.11.99", 0, 256);
  sayName("192.168.11.99", NI_NAMEREQD, 256);
  sayName("192.168.11.10", 0, 4);
  struct in_addr four;
  inet_aton("192.168.11.10", &four);
  sayEntry("gethostbyaddr", "192.168.11.10", gethostbyaddr(&four, sizeof four, AF_INET));
  inet_aton("192.168.11.99", &four);
  sayEntry("gethostbyaddr", "192.168.11.99", gethostbyaddr(&four, sizeof four, AF_INET));
  struct hostent entry;
  struct hostent *result;
  int problem = 0;
  char small[16];
  printf("gethostbyname_r small: %s\n",
         gethostbyname_r("www", &entry, small, sizeof small, &result, &problem) == ERANGE ? "ERANGE" : "no");
  printf("gethostent: %s\n", gethostent() == NULL ? "none" : "one");
  res_init();
  sayAnswer("res_query", "www.office.example", res_query("www.office.example", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  sayAnswer("res_query", "www", res_query("www", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  sayAnswer("res_search", "www", res_search("www", ns_c_in, ns_t_aaaa, answer, sizeof answer), answer);
  sayAnswer("res_search", "nosuch", res_search("nosuch", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  sayAnswer("res_search", "broken.test", res_search("broken.test", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  sayAnswer("res_query", "only6.office.example", res_query("only6.office.example", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  sayAnswer("res_querydomain", "www", res_querydomain("www", "office.example", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  const int length = res_mkquery(ns_o_query, "nosuch.office.example", ns_c_in, ns_t_a, NULL, 0, NULL, query, sizeof query);
  sayAnswer("res_send", "nosuch", res_send(query, length, answer, sizeof answer), answer);
  struct __res_state state;
  memset(&state, 0, sizeof state);
  res_ninit(&state);
  char text[INET_ADDRSTRLEN];
  printf("res_ninit: %d %s\n", state.nscount, inet_ntop(AF_INET, &state.nsaddr_list[0].sin_addr, text, sizeof text));
  for (int i = 0; i < MAXDNSRCH && state.dnsrch[i] != NULL; i++) printf("dnsrch: %s\n", state.dnsrch[i]);
  sayAnswer("res_nquery", "www.office.example", res_nquery(&state, "www.office.example", ns_c_in, ns_t_a, answer, sizeof answer), answer);
  res_nclose(&state);
  struct gaicb one = {.ar_name = "www"};
  struct gaicb *list[] = {&one};
  const int asked = getaddrinfo_a(GAI_WAIT, list, 1, NULL);
  printf("getaddrinfo_a: %d %d\n", asked, gai_error(&one));
  if (one.ar_result != NULL) freeaddrinfo(one.ar_result);
  sayFile("/etc/resolv.conf");
  sayFile("/etc/hosts");
  return fflush(stdout) == 0 ? 0 : 1;
}
