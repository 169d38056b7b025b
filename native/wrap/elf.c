#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "inspect.h"

/** Program headers that are looked at; the kernel refuses programs with more than 64 KiB of them. */
#define MOST_SEGMENTS 1024
/** Sections that are looked at. */
#define MOST_SECTIONS 512
/** Bytes of the notes and of the sections' names that are looked at. */
#define MOST_NOTES 4096
#define MOST_NAMES 16384

/** Of both classes, with the fields that are asked for. */
struct segment {
  unsigned type;
  unsigned long long offset;
  unsigned long long size;
};

struct layout {
  bool wide;
  unsigned long long segments;
  unsigned segmentCount;
  unsigned segmentSize;
  unsigned long long sections;
  unsigned sectionCount;
  unsigned sectionSize;
  unsigned names;
};

/** All of `size` bytes there, or false. */
static bool readAt(int file, void *out, size_t size, unsigned long long at) {
  if (at > (1ull << 62)) return false;
  return pread(file, out, size, (off_t)at) == (ssize_t)size;
}

/** Up to `size` bytes there: how many. */
static size_t readSome(int file, void *out, size_t size, unsigned long long at) {
  if (at > (1ull << 62)) return 0;
  const ssize_t got = pread(file, out, size, (off_t)at);
  return got < 0 ? 0 : (size_t)got;
}

static bool readLayout(int file, struct elf *elf, struct layout *layout) {
  union {
    unsigned char ident[EI_NIDENT];
    Elf32_Ehdr narrow;
    Elf64_Ehdr wide;
  } header;
  memset(&header, 0, sizeof header);
  if (readSome(file, &header, sizeof header, 0) < sizeof header.narrow) return false;
  if (memcmp(header.ident, ELFMAG, SELFMAG) != 0) return false;
  const int order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
  const unsigned char class = header.ident[EI_CLASS];
  if (class != ELFCLASS32 && class != ELFCLASS64) return false;
  layout->wide = class == ELFCLASS64;
  elf->bits = layout->wide ? 64 : 32;
  elf->machine = layout->wide ? header.wide.e_machine : header.narrow.e_machine;
  // Of the other byte order no field but these can be read, and none need be: it is another machine's.
  if (header.ident[EI_DATA] != order) {
    elf->machine = EM_NONE;
    layout->segmentCount = 0;
    layout->sectionCount = 0;
    return true;
  }
#define TAKE(h)                               \
  do {                                        \
    if ((h).e_type != ET_EXEC && (h).e_type != ET_DYN) return false; \
    layout->segments = (h).e_phoff;           \
    layout->segmentCount = (h).e_phnum;       \
    layout->segmentSize = (h).e_phentsize;    \
    layout->sections = (h).e_shoff;           \
    layout->sectionCount = (h).e_shnum;       \
    layout->sectionSize = (h).e_shentsize;    \
    layout->names = (h).e_shstrndx;           \
  } while (0)
  if (layout->wide) TAKE(header.wide);
  else TAKE(header.narrow);
#undef TAKE
  const size_t wanted = layout->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
  return layout->segmentCount <= MOST_SEGMENTS &&
         (layout->segmentCount == 0 || layout->segmentSize == wanted);
}

static bool readSegment(int file, const struct layout *layout, unsigned index,
                        struct segment *out) {
  const unsigned long long step = (unsigned long long)index * layout->segmentSize;
  if (layout->segments > (1ull << 62)) return false;
  const unsigned long long at = layout->segments + step;
  if (layout->wide) {
    Elf64_Phdr h;
    if (!readAt(file, &h, sizeof h, at)) return false;
    *out = (struct segment){h.p_type, h.p_offset, h.p_filesz};
  } else {
    Elf32_Phdr h;
    if (!readAt(file, &h, sizeof h, at)) return false;
    *out = (struct segment){h.p_type, h.p_offset, h.p_filesz};
  }
  return true;
}

/** Whether one of the notes is Go's ("Go", 4: its build id). */
static bool goNotes(int file, const struct segment *segment) {
  unsigned char notes[MOST_NOTES];
  const size_t wanted = segment->size < sizeof notes ? (size_t)segment->size : sizeof notes;
  const size_t got = readSome(file, notes, wanted, segment->offset);
  for (size_t at = 0; got >= 12 && at <= got - 12;) {
    unsigned words[3];
    memcpy(words, notes + at, sizeof words);
    const size_t name = ((size_t)words[0] + 3) & ~(size_t)3;
    const size_t text = ((size_t)words[1] + 3) & ~(size_t)3;
    if (name > got || text > got) return false;
    if (words[0] == 4 && got - at >= 16 && memcmp(notes + at + 12, "Go\0", 4) == 0) return true;
    at += 12 + name + text;
  }
  return false;
}

/** Whether one of the sections has a name that Go's linker alone gives. */
static bool goSections(int file, const struct layout *layout) {
  const size_t size = layout->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
  if (layout->sectionCount > MOST_SECTIONS || layout->sectionSize != size ||
      layout->names >= layout->sectionCount || layout->sections > (1ull << 62)) {
    return false;
  }
  const unsigned long long at = layout->sections + (unsigned long long)layout->names * size;
  unsigned long long place;
  unsigned long long length;
  if (layout->wide) {
    Elf64_Shdr h;
    if (!readAt(file, &h, sizeof h, at)) return false;
    place = h.sh_offset;
    length = h.sh_size;
  } else {
    Elf32_Shdr h;
    if (!readAt(file, &h, sizeof h, at)) return false;
    place = h.sh_offset;
    length = h.sh_size;
  }
  char names[MOST_NAMES];
  const size_t wanted = length < sizeof names ? (size_t)length : sizeof names;
  const size_t got = readSome(file, names, wanted, place);
  return memmem(names, got, ".go.buildinfo", sizeof ".go.buildinfo") != NULL ||
         memmem(names, got, ".gopclntab", sizeof ".gopclntab") != NULL;
}

bool readElf(int file, struct elf *elf) {
  struct layout layout;
  memset(elf, 0, sizeof *elf);
  if (!readLayout(file, elf, &layout)) return false;
  for (unsigned i = 0; i < layout.segmentCount; i++) {
    struct segment segment;
    if (!readSegment(file, &layout, i, &segment)) return false;
    if (segment.type == PT_NOTE && goNotes(file, &segment)) elf->go = true;
    if (segment.type != PT_INTERP || elf->interpreter[0] != 0) continue;
    if (segment.size < 2 || segment.size > sizeof elf->interpreter) return false;
    if (!readAt(file, elf->interpreter, (size_t)segment.size, segment.offset)) return false;
    if (elf->interpreter[segment.size - 1] != 0) return false;
  }
  if (goSections(file, &layout)) elf->go = true;
  return true;
}
