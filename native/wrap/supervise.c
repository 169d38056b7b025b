#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wrap.h"

/** How the caller had its signals: the program gets them so. */
struct signals {
  sigset_t mask;
  struct sigaction child;
};

/** What the keeper tells the waiter. */
struct word {
  enum { STARTED, STOPPED, ENDED } kind;
  int value;
};

static void takeSignals(struct signals *before) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before->mask);
  // Ignored, it would lose the program's status.
  const struct sigaction normal = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &normal, &before->child);
}

/** Holds nothing of the caller's open but the descriptors it is given: a pipe's reader waits for all its ends. */
static void letGo(int a, int b) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  const int low = a < b ? a : b;
  const int high = a < b ? b : a;
  if (low > 3) close_range(3, (unsigned)low - 1, 0);
  if (high > low + 1) close_range((unsigned)low + 1, (unsigned)high - 1, 0);
  close_range((unsigned)high + 1, ~0u, 0);
}

static _Noreturn void runCommand(const struct options *options, const struct signals *before) {
  setenv("PVPN_ENVIRONMENT", options->environment, 1);
  sigaction(SIGCHLD, &before->child, NULL);
  sigprocmask(SIG_SETMASK, &before->mask, NULL);
  becomeCommand(options);
}

_Noreturn void becomeCommand(const struct options *options) {
  execvp(options->command[0], options->command);
  const int error = errno;
  fprintf(stderr, "pvpn-wrap: %s: %s\n", options->command[0], strerror(error));
  _exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}

static void tell(int pipe, int kind, int value) {
  const struct word word = {.kind = kind, .value = value};
  // A waiter that has gone is noticed by its end of the pipe.
  if (write(pipe, &word, sizeof word) < 0) return;
}

/** Collects children that changed; true while the program itself lives. */
static bool reap(pid_t program, int pipe, bool lives) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
    if (pid != program) continue;
    if (WIFSTOPPED(status)) {
      tell(pipe, STOPPED, WSTOPSIG(status));
    } else {
      tell(pipe, ENDED, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
      lives = false;
    }
  }
  return lives;
}

/** The program's parent: stays until the last of its descendants ends, so that the holder counts them. */
static _Noreturn void keepProgram(const struct options *options, const struct signals *before,
                                  int pipe, int holder) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t program = fork();
  if (program == 0) runCommand(options, before);
  letGo(pipe, holder);
  tell(pipe, STARTED, program);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, SIGCHLD);
  const int changes = signalfd(-1, &only, SFD_CLOEXEC | SFD_NONBLOCK);
  bool lives = true;
  bool watched = true;
  while (true) {
    lives = reap(program, pipe, lives);
    siginfo_t info;
    if (!lives && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD) {
      _exit(0);
    }
    struct pollfd polled[] = {{.fd = changes, .events = POLLIN}, {.fd = watched ? pipe : -1}};
    poll(polled, 2, -1);
    struct signalfd_siginfo drained;
    while (read(changes, &drained, sizeof drained) > 0) continue;
    if (polled[1].revents != 0) {
      // The waiter has gone: killed before the program's end, which must not go on unseen.
      if (lives) kill(program, SIGKILL);
      watched = false;
    }
  }
}

static void forward(const struct signalfd_siginfo *signal, pid_t program) {
  const int number = (int)signal->ssi_signo;
  if (number == SIGCHLD) return;
  // The terminal's own signals reach the program by its process group.
  if (signal->ssi_code == SI_KERNEL && number != SIGCONT) return;
  kill(program, number);
}

/** The caller's child: passes signals on, stops and ends as the program does. */
static int waitFor(int pipe, int signals) {
  pid_t program = 0;
  while (true) {
    struct pollfd polled[] = {{.fd = pipe, .events = POLLIN},
                              {.fd = program > 0 ? signals : -1, .events = POLLIN}};
    poll(polled, 2, -1);
    if (polled[1].revents != 0) {
      struct signalfd_siginfo signal;
      while (read(signals, &signal, sizeof signal) == sizeof signal) forward(&signal, program);
    }
    if (polled[0].revents == 0) continue;
    struct word word;
    if (read(pipe, &word, sizeof word) != sizeof word) return 128 + SIGKILL;
    if (word.kind == STARTED) program = word.value;
    else if (word.kind == STOPPED) raise(SIGSTOP);
    else return word.value;
  }
}

int supervise(const struct options *options, const struct namespaces *namespaces) {
  struct signals before;
  takeSignals(&before);
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return STATUS_REFUSED;
  const pid_t keeper = fork();
  if (keeper < 0) return STATUS_REFUSED;
  if (keeper == 0) {
    close(pipe[0]);
    keepProgram(options, &before, pipe[1], namespaces->holder);
  }
  close(pipe[1]);
  sigset_t all;
  sigfillset(&all);
  const int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  letGo(pipe[0], signals);
  return waitFor(pipe[0], signals);
}
