/**
 * native/wrap's inspection by itself, to be built with sanitizers.
 *
 *   inspect check PROGRAM…          one line for each: "ok", or the reason
 *   inspect env ARGUMENT…           the program that env would run by that argument, or "-"
 *   inspect fuzz SEED SECONDS FILE… the files' beginnings, changed at random; prints how many
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "inspect.h"

#define MOST 65536

static uint64_t state;

static uint32_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static void change(unsigned char *bytes, size_t size) {
  static const unsigned char kEdges[] = {0, 1, 0x7f, 0x80, 0xff};
  for (uint32_t i = next() % 8; i > 0; i--) {
    // Mostly the headers, where the numbers stand.
    const size_t within = next() % 4 != 0 && size > 1024 ? 1024 : size;
    const size_t at = next() % within;
    const size_t run = 1 + next() % 8;
    const unsigned char edge = kEdges[next() % sizeof kEdges];
    const int random = next() % 2;
    for (size_t k = at; k < at + run && k < size; k++) {
      bytes[k] = random ? (unsigned char)next() : edge;
    }
  }
}

static void once(int file, const unsigned char *bytes, size_t size) {
  struct elf elf;
  struct script script;
  size_t length;
  if (ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != (ssize_t)size) exit(2);
  if (readElf(file, &elf) && strlen(elf.interpreter) >= sizeof elf.interpreter) abort();
  if (readFormat(bytes, size < 256 ? size : 256, &script) != FORMAT_SCRIPT) return;
  const char *program = envProgram(script.argument, &length);
  if (program != NULL && (program < script.argument || length == 0 ||
                          program + length > script.argument + strlen(script.argument))) {
    abort();
  }
}

static int fuzz(int count, char **words) {
  static unsigned char original[MOST];
  static unsigned char bytes[MOST];
  state = strtoull(words[0], NULL, 10) * 2 + 1;
  const time_t end = time(NULL) + atoi(words[1]);
  const int file = memfd_create("fuzz", MFD_CLOEXEC);
  unsigned long runs = 0;
  while (time(NULL) < end || runs < 1000) {
    FILE *from = fopen(words[2 + next() % (uint32_t)(count - 2)], "rb");
    if (from == NULL) return 2;
    const size_t whole = fread(original, 1, sizeof original, from);
    fclose(from);
    for (int i = 0; i < 200; i++, runs++) {
      const size_t size = next() % 8 == 0 ? 1 + next() % whole : whole;
      memcpy(bytes, original, size);
      change(bytes, size);
      once(file, bytes, size);
    }
  }
  printf("%lu\n", runs);
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 4 && strcmp(argv[1], "fuzz") == 0) return fuzz(argc - 2, argv + 2);
  for (int i = 2; i < argc; i++) {
    char problem[PATH_MAX + 256] = "";
    size_t length;
    if (strcmp(argv[1], "check") == 0) {
      puts(inspectProgram(argv[i], problem, sizeof problem) ? "ok" : problem);
    } else {
      const char *program = envProgram(argv[i], &length);
      if (program == NULL) puts("-");
      else printf("%.*s\n", (int)length, program);
    }
  }
  return 0;
}
