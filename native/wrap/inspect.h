/** What a program is, told from its file before it runs: can way 2 (a preloaded library) serve it? */
#ifndef PVPN_INSPECT_H
#define PVPN_INSPECT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/** What an ELF file says of itself. */
struct elf {
  /** Bits of an address: 32 or 64. */
  int bits;
  /** e_machine. */
  int machine;
  /** Made by Go: its system calls are its own. */
  bool go;
  /** The dynamic linker; empty: there is none, so nothing can be preloaded. */
  char interpreter[PATH_MAX];
};

/** One `#!` line. */
struct script {
  char interpreter[256];
  /** All that follows, without blanks at either end; empty: nothing. */
  char argument[256];
};

enum format { FORMAT_ELF, FORMAT_SCRIPT, FORMAT_TEXT, FORMAT_UNKNOWN };

/* elf.c: reads at bounded places, believes nothing. */
/** False: not a whole ELF program, or one beyond the bounds. */
bool readElf(int file, struct elf *elf);

/* script.c */
/** What the first bytes of a file say; with FORMAT_SCRIPT `script` is filled. */
enum format readFormat(const unsigned char *head, size_t size, struct script *script);
/** The program that `env` is to run by the one argument of a `#!` line, and its name's size; NULL: none to be told. */
const char *envProgram(const char *argument, size_t *length);

/* inspect.c */
/** Where execvp would find it; false: nowhere, or not to be executed (then exec says so itself). */
bool findProgram(const char *name, char *path, size_t size);
/**
 * Whether a library can be preloaded into it. What exec itself will refuse counts as yes. False:
 * `problem` is one line, the reason and the remedy.
 */
bool inspectProgram(const char *name, char *problem, size_t size);

#endif
