#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "wrap.h"

/** Seconds between questions while an environment is waited for. */
#define ASK_EVERY 0.5
/** Seconds that a gateway may be away, for it to be started again, once it was there. */
#define GATEWAY_GRACE 2.0
/** Seconds until an environment must have begun to start, once it was woken. */
#define WAKE_GRACE 2.0
/** Bytes of the gateway's answer: a few hundred environments. */
#define ANSWER (1 << 18)
#define MOST_NAME 64
static const char kKey[] = "{\"name\":\"";

/** The control port's answer, as much as fits; its size or -1. */
static ssize_t askGateway(const struct runtime *runtime, char *answer, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock",
                              runtime->path);
  if (length < 0 || (size_t)length >= sizeof address.sun_path) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const struct timeval patience = {.tv_sec = 3};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const char *request =
      "GET /api/v1/environments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  size_t total = 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)) {
    while (total < size - 1) {
      const ssize_t got = recv(fd, answer + total, size - 1 - total, 0);
      if (got <= 0) break;
      total += (size_t)got;
    }
  }
  close(fd);
  answer[total] = 0;
  return total > 0 ? (ssize_t)total : -1;
}

/** A string of the answer, without its escapes and without what could steer a terminal. */
static void copyString(char *out, size_t size, const char *at) {
  size_t used = 0;
  for (; *at != 0 && *at != '"' && used + 1 < size; at++) {
    if (*at == '\\' && at[1] != 0) at++;
    out[used++] = iscntrl((unsigned char)*at) ? ' ' : *at;
  }
  out[used] = 0;
}

/** Letters to change, add or leave out to make one name of the other. */
static int distance(const char *a, const char *b) {
  int row[MOST_NAME + 1];
  const size_t length = strnlen(b, MOST_NAME);
  for (size_t j = 0; j <= length; j++) row[j] = (int)j;
  for (size_t i = 1; a[i - 1] != 0; i++) {
    int corner = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= length; j++) {
      const int change = corner + (a[i - 1] != b[j - 1]);
      const int less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      corner = row[j];
      row[j] = change < less ? change : less;
    }
  }
  return row[length];
}

static void explainUnknown(const char *name, const char *answer, char *problem, size_t size) {
  char names[2048] = "";
  char nearest[MOST_NAME + 1] = "";
  size_t used = 0;
  int best = 3;
  for (const char *at = answer; (at = strstr(at, kKey)) != NULL;) {
    char one[MOST_NAME + 1];
    at += strlen(kKey);
    copyString(one, sizeof one, at);
    if (used + strlen(one) + 3 > sizeof names) break;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "", one);
    const int far = distance(one, name);
    if (far >= best) continue;
    best = far;
    snprintf(nearest, sizeof nearest, "%s", one);
  }
  snprintf(problem, size, "no environment is called \"%.64s\"%s%s%s: there is %s", name,
           *nearest != 0 ? ", did you mean " : "", nearest, *nearest != 0 ? "?" : "",
           *names != 0 ? names : "none");
}

/** A first connection starts an environment of `start: on-demand`; to others it does nothing. */
static void wake(const char *proxy) {
  char text[PATH_MAX];
  copyString(text, sizeof text, proxy);
  struct addrinfo *found = NULL;
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  const struct addrinfo numbers = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
  const struct sockaddr *address = (struct sockaddr *)&local;
  socklen_t size = sizeof local;
  if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof local.sun_path) {
    strcpy(local.sun_path, text + 5);
  } else {
    char *colon = strrchr(text, ':');
    char *host = text + (*text == '[');
    if (colon == NULL) return;
    *colon = 0;
    if (*text == '[') host[strcspn(host, "]")] = 0;
    if (getaddrinfo(host, colon + 1, &numbers, &found) != 0) return;
    address = found->ai_addr;
    size = found->ai_addrlen;
  }
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) {
    // On this machine it is connected at once or never; the gateway takes it also when it is closed.
    if (connect(fd, address, size) != 0 && errno == EINPROGRESS) usleep(10000);
    close(fd);
  }
  if (found != NULL) freeaddrinfo(found);
}

/** What the gateway says of the environment; true: it may yet come up. */
static bool judge(struct patience *patience, const char *environment, const char *object,
                  char *problem, size_t size) {
  static const char kState[] = "\"state\":\"";
  static const char kMessage[] = "\"message\":\"";
  static const char kProxy[] = "\"proxy\":[\"";
  const double now = secondsNow();
  const char *end = strstr(object, kKey);
  const char *state = strstr(object, kState);
  const char *message = strstr(object, kMessage);
  const char *proxy = strstr(object, kProxy);
  char why[512] = "its tunnel failed";
  if (state == NULL) return true;
  copyString(patience->state, sizeof patience->state, state + strlen(kState));
  if (strcmp(patience->state, "failed") == 0) {
    if (message != NULL && (end == NULL || message < end)) {
      copyString(why, sizeof why, message + strlen(kMessage));
    }
    snprintf(problem, size, "environment \"%.64s\" has failed: %s (see `pvpn status`)", environment, why);
    return false;
  }
  if (strcmp(patience->state, "stopped") != 0) return true;
  if (patience->woken == 0) {
    patience->woken = now;
    if (proxy != NULL && (end == NULL || proxy < end)) wake(proxy + strlen(kProxy));
  }
  if (now - patience->woken < WAKE_GRACE) return true;
  snprintf(problem, size, "environment \"%.64s\" is stopped: start it with `pvpn start %.64s`",
           environment, environment);
  return false;
}

bool stillHope(struct patience *patience, const struct options *options,
               const struct runtime *runtime, char *problem, size_t size) {
  const double now = secondsNow();
  if (patience->until == 0) patience->until = now + options->wait;
  if (now >= patience->asked + ASK_EVERY || patience->asked == 0) {
    patience->asked = now;
    char *answer = malloc(ANSWER);
    const bool there = answer != NULL && askGateway(runtime, answer, ANSWER) > 0;
    char wanted[MOST_NAME + 16];
    snprintf(wanted, sizeof wanted, "%s%.64s\"", kKey, options->environment);
    const char *object = there ? strstr(answer, wanted) : NULL;
    bool hope = true;
    if (!there && now - patience->seen > GATEWAY_GRACE) {
      snprintf(problem, size, "no gateway is running: start one with `pvpn up`");
      hope = false;
    } else if (there && object == NULL) {
      explainUnknown(options->environment, answer, problem, size);
      hope = false;
    } else if (there) {
      patience->seen = now;
      hope = judge(patience, options->environment, object + strlen(wanted), problem, size);
    }
    free(answer);
    if (!hope) return false;
  }
  if (now < patience->until) return true;
  snprintf(problem, size, "environment \"%.64s\" did not come up within %g s%s%s (see `pvpn status`)",
           options->environment, options->wait, *patience->state != 0 ? ": it is " : "", patience->state);
  return false;
}
