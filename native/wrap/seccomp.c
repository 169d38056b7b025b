#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wrap.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "which AUDIT_ARCH_ is this machine's?"
#endif
/** Set in the numbers of x32's system calls, which are others than x86-64's. */
#define X32_BIT 0x40000000u

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))
/** The next instruction when equal, else the one behind it. */
#define ONLY_IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)

/**
 * No socket that could leave the machine ever exists in the program, whatever system call it makes
 * itself: a filter sees numbers, not addresses, so families are what it can tell apart.
 */
bool forbidNetwork(void) {
  struct sock_filter code[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      // i386's calls by int 0x80, and the like.
      REFUSE(ENOSYS),
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
      REFUSE(ENOSYS),
      // A ring makes sockets that no filter sees.
      ONLY_IF(SYS_io_uring_setup),
      REFUSE(ENOSYS),
      // Takes a socket out of another process.
      ONLY_IF(SYS_pidfd_getfd),
      REFUSE(EPERM),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 1, 0),
      RETURN(SECCOMP_RET_ALLOW),
      // The kernel takes the family from the lower half alone; both architectures are little-endian.
      LOAD(args[0]),
      ONLY_IF(AF_UNIX),
      RETURN(SECCOMP_RET_ALLOW),
      REFUSE(EACCES),
  };
  const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
