/** What the parts of pvpn-wrap share. See README.md for who holds which descriptor. */
#ifndef PVPN_WRAP_H
#define PVPN_WRAP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Bytes of one line of the protocols between wrapper, holder and environment. */
#define LINE_SIZE 1024
/** `--host-port` options of one call, and ports that one holder keeps. */
#define MOST_HOST_PORTS 32
/** Programs that one holder counts; more are refused. */
#define MOST_PROGRAMS 1024
/** Addresses of one environment. */
#define MOST_ADDRESSES 16

/** Exit status when the program is not started. */
#define STATUS_REFUSED 125

enum via { VIA_AUTO, VIA_NETNS, VIA_PRELOAD };

struct options {
  enum via via;
  const char *environment;
  /** The program and its arguments, ended by NULL. */
  char **command;
  /** Seconds until the environment must be up. */
  double wait;
  bool verbose;
  int hostPorts[MOST_HOST_PORTS];
  int hostPortCount;
};

/** The gateway's runtime folder: checked, and open. */
struct runtime {
  char path[PATH_MAX];
  /** O_PATH descriptor of its folder `wrap`, or -1: no gateway has made one. */
  int folder;
};

/** Descriptors of the holder's namespaces. */
struct namespaces {
  /** -1: none of its own (run by root). */
  int user;
  int network;
  /** Connection to the holder: while it is open, the holder stays. */
  int holder;
};

/* runtime.c */
bool openRuntime(struct runtime *runtime, char *problem, size_t size);

/* gateway.c */
/** While an environment is waited for; all 0 at the start but `until`. */
struct patience {
  /** When the wait is over. */
  double until;
  /** When the gateway was asked last, was there last, and was to start the environment. */
  double asked;
  double seen;
  double woken;
  /** The environment's, as last heard. */
  char state[16];
};
/**
 * Whether to wait on. Asks the gateway now and then, and wakes an environment that starts on demand.
 * False: `problem` says why it will not come up, or that the time is over.
 */
bool stillHope(struct patience *patience, const struct options *options,
               const struct runtime *runtime, char *problem, size_t size);

/* channel.c: Unix stream sockets with lines, and descriptors beside them. */
int channelConnect(int folder, const char *environment, const char *suffix);
int channelListen(int folder, const char *environment, const char *suffix);
bool peerIsUs(int socket);
bool sendLine(int socket, const char *line, const int *descriptors, int count);
/** One message; its bytes, 0 at the end, -1 with errno. Descriptors that came are stored, others are -1. */
ssize_t receiveLine(int socket, char *line, size_t size, int *descriptors, int count);

/* network.c: inside the namespace, by rtnetlink. */
bool loopbackUp(void);
/** Makes the TUN device `pvpn`; its descriptor, or -1 with errno. */
int openTun(void);
bool setSysctl(const char *name, const char *value);
struct link {
  int mtu;
  int count;
  struct {
    int family;
    unsigned char bytes[16];
  } address[MOST_ADDRESSES];
};
/** Parses "MTU ADDRESS,ADDRESS…". */
bool parseLink(const char *text, struct link *link);
/** Makes the device have these addresses, this MTU and the default routes. `before` may be empty. */
bool applyLink(const struct link *before, const struct link *link);

/* holder.c */
/** Runs the holder; `ready` is a pipe that gets "ok" or the reason. Never returns. */
_Noreturn void runHolder(const struct runtime *runtime, const char *environment, int ready);

/** How far a way of running the program came. */
enum way {
  WAY_READY,
  /** The machine does not allow it, and nothing has changed: another way may be tried. */
  WAY_UNABLE,
  WAY_FAILED,
};

/* join.c */
/** Gets the namespaces, starting a holder if there is none. */
enum way findNamespaces(const struct options *options, const struct runtime *runtime,
                        struct namespaces *out, char *problem, size_t size);
/** Enters them, with a mount namespace of our own. */
enum way enterNamespaces(const struct options *options, const struct runtime *runtime,
                         const struct namespaces *namespaces, char *problem, size_t size);
/** A mount namespace from the caller's, where the host's files and sockets that answer names are covered. */
bool ownMounts(const struct runtime *runtime, const char *environment, char *problem, size_t size);

/* choose.c */
/** Runs the program as the options and the machine say; returns its status, or STATUS_REFUSED with the `problem`. */
int runInside(const struct options *options, const struct runtime *runtime, char *problem,
              size_t size);
/** What forbids namespaces here, of which the kernel said `reason`, and the remedy. */
void explainMachine(char *problem, size_t size, const char *reason);

/* virtual.c: way 2. */
/** Waits until the environment is up, then makes this process one that has virtual sockets only. Final: no network after it. */
bool enterVirtual(const struct options *options, const struct runtime *runtime, char *problem,
                  size_t size);

/* seccomp.c */
bool forbidNetwork(void);

/* mounts.c */
bool coverFiles(const struct runtime *runtime, const char *environment, char *problem, size_t size);

/* supervise.c */
/** Runs the command as a child and returns its status; does so in the shell's way (126, 127, 128+N). */
int supervise(const struct options *options, const struct namespaces *namespaces);
/** Becomes the command; 126 or 127 when that fails. */
_Noreturn void becomeCommand(const struct options *options);

double secondsNow(void);

#endif
