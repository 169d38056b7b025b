/** pvpn-wrap: runs a program inside of an environment. docs/wrap.md says what it promises. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "wrap.h"

static const char kHelp[] =
    "Usage: pvpn-wrap [options] ENVIRONMENT [COMMAND [ARGUMENT…]]\n"
    "\n"
    "Runs COMMAND (default: $SHELL) inside ENVIRONMENT: all its traffic and all its name\n"
    "lookups go through the environment, and none goes anywhere else.\n"
    "\n"
    "  --via auto|netns|preload  by a network namespace or a preloaded library; auto (the\n"
    "                            default) takes the first where the machine allows it\n"
    "  --wait SECONDS            how long the environment may take to be up (default 10)\n"
    "  --host-port PORT          lets PORT of the host's 127.0.0.1 be reached inside; repeatable\n"
    "  -v, --verbose             says what was chosen\n"
    "  -h, --help                shows this\n"
    "\n"
    "Exit status: the command's own, 128+N when signal N ended it, 125 when it was not\n"
    "started, 126 and 127 as in a shell.\n";

static _Noreturn void refuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("pvpn-wrap: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(STATUS_REFUSED);
}

/** The value of option `name` at `argv[*at]`, as `--name value` or `--name=value`; NULL: another option. */
static const char *valueOf(char **argv, int *at, const char *name) {
  const size_t length = strlen(name);
  const char *word = argv[*at];
  if (strncmp(word, name, length) != 0) return NULL;
  if (word[length] == '=') return word + length + 1;
  if (word[length] != 0) return NULL;
  if (argv[*at + 1] == NULL) refuse("%s needs a value (see pvpn-wrap --help)", name);
  return argv[++*at];
}

static enum via viaOf(const char *via) {
  if (strcmp(via, "auto") == 0) return VIA_AUTO;
  if (strcmp(via, "netns") == 0) return VIA_NETNS;
  if (strcmp(via, "preload") == 0) return VIA_PRELOAD;
  refuse("--via is auto, netns or preload, not \"%s\"", via);
}

static void addHostPort(struct options *options, const char *text) {
  char *end = NULL;
  const long port = strtol(text, &end, 10);
  if (*text == 0 || *end != 0 || port < 1 || port > 65535) refuse("\"%s\" is not a port", text);
  if (options->hostPortCount == MOST_HOST_PORTS) refuse("more than %d ports", MOST_HOST_PORTS);
  options->hostPorts[options->hostPortCount++] = (int)port;
}

static void setWait(struct options *options, const char *text) {
  char *end = NULL;
  options->wait = strtod(text, &end);
  if (*text == 0 || *end != 0 || !(options->wait >= 0 && options->wait <= 86400)) {
    refuse("--wait takes seconds, not \"%s\"", text);
  }
}

static void readArguments(struct options *options, char **argv) {
  int at = 1;
  for (; argv[at] != NULL && argv[at][0] == '-'; at++) {
    const char *value;
    if (strcmp(argv[at], "--") == 0) {
      at++;
      break;
    }
    if (strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "--help") == 0) {
      fputs(kHelp, stdout);
      exit(fflush(stdout) == 0 ? 0 : 1);
    }
    if (strcmp(argv[at], "-v") == 0 || strcmp(argv[at], "--verbose") == 0) options->verbose = true;
    else if ((value = valueOf(argv, &at, "--via")) != NULL) options->via = viaOf(value);
    else if ((value = valueOf(argv, &at, "--wait")) != NULL) setWait(options, value);
    else if ((value = valueOf(argv, &at, "--host-port")) != NULL) addHostPort(options, value);
    else refuse("unknown option %s (see pvpn-wrap --help)", argv[at]);
  }
  if (argv[at] == NULL) refuse("which environment? (see pvpn-wrap --help)");
  options->environment = argv[at];
  options->command = argv + at + 1;
  if (strchr(options->environment, '/') != NULL || options->environment[0] == '.' ||
      strlen(options->environment) > 64) {
    refuse("\"%.80s\" is no name of an environment", options->environment);
  }
}

/** A descriptor of ours must not get a standard number that the caller left free; the program finds it free again. */
static void occupyStandard(void) {
  for (int fd = 0; fd < 3; fd++) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR | O_CLOEXEC);
  }
}

int main(int argc, char **argv) {
  occupyStandard();
  struct runtime runtime;
  char problem[4096] = "";
  if (argc == 4 && strcmp(argv[1], "--holder") == 0) {
    if (!openRuntime(&runtime, problem, sizeof problem) || runtime.folder < 0) return 1;
    prctl(PR_SET_NAME, "pvpn-holder");
    runHolder(&runtime, argv[3], atoi(argv[2]));
  }
  struct options options = {.wait = 10};
  readArguments(&options, argv);
  const char *shell = getenv("SHELL");
  char *standard[] = {(char *)(shell != NULL && *shell != 0 ? shell : "/bin/sh"), NULL};
  if (options.command[0] == NULL) options.command = standard;
  if (geteuid() != getuid() || getegid() != getgid()) refuse("must not be installed setuid");
  if (!openRuntime(&runtime, problem, sizeof problem)) refuse("%s", problem);
  const int status = runInside(&options, &runtime, problem, sizeof problem);
  if (problem[0] != 0) refuse("%s", problem);
  return status;
}
