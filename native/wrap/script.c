#include <string.h>

#include "inspect.h"

static const char kBlanks[] = " \t";

/** Copies what stands between, without blanks at its end. */
static void copyTrimmed(char *out, size_t room, const char *from, size_t length) {
  while (length > 0 && strchr(" \t\r", from[length - 1]) != NULL) length--;
  if (length >= room) length = room - 1;
  memcpy(out, from, length);
  out[length] = 0;
}

enum format readFormat(const unsigned char *head, size_t size, struct script *script) {
  if (size >= 4 && memcmp(head, "\177ELF", 4) == 0) return FORMAT_ELF;
  if (size < 2 || head[0] != '#' || head[1] != '!') {
    return memchr(head, 0, size) == NULL ? FORMAT_TEXT : FORMAT_UNKNOWN;
  }
  char line[256];
  const size_t most = size - 2 < sizeof line - 1 ? size - 2 : sizeof line - 1;
  memcpy(line, head + 2, most);
  line[most] = 0;
  line[strcspn(line, "\n")] = 0;
  const char *start = line + strspn(line, kBlanks);
  const size_t length = strcspn(start, kBlanks);
  copyTrimmed(script->interpreter, sizeof script->interpreter, start, length);
  const char *rest = start + length + strspn(start + length, kBlanks);
  copyTrimmed(script->argument, sizeof script->argument, rest, strlen(rest));
  return script->interpreter[0] == 0 ? FORMAT_UNKNOWN : FORMAT_SCRIPT;
}

/** Steps over one word of `env -S`, whose quotes may hold blanks. */
static const char *wordEnd(const char *at) {
  for (char quote = 0; *at != 0 && (quote != 0 || strchr(kBlanks, *at) == NULL); at++) {
    if (*at == '\\' && at[1] != 0) at++;
    else if (quote != 0 && *at == quote) quote = 0;
    else if (quote == 0 && (*at == '"' || *at == '\'')) quote = *at;
  }
  return at;
}

const char *envProgram(const char *argument, size_t *length) {
  // The kernel passes one argument: more are told apart only where -S asks for it.
  const char *at = argument;
  const bool split = *at == '-' && strcspn(at, "S") < strcspn(at, kBlanks);
  const bool named = strncmp(at, "--split-string", 14) == 0;
  if (!split && !named) {
    *length = strlen(argument);
    return *length == 0 || *argument == '-' || strchr(argument, '=') != NULL ? NULL : argument;
  }
  at += named ? 14 + (at[14] == '=') : strcspn(at, "S") + 1;
  for (;;) {
    at += strspn(at, kBlanks);
    const char *end = wordEnd(at);
    *length = (size_t)(end - at);
    if (*length == 0) return NULL;
    const bool takesNext = *length == 2 && at[0] == '-' && (at[1] == 'u' || at[1] == 'C');
    if (takesNext) end = wordEnd(end + strspn(end, kBlanks));
    else if (*at != '-' && memchr(at, '=', *length) == NULL) break;
    at = end;
  }
  if (*length >= 2 && (*at == '"' || *at == '\'') && at[*length - 1] == *at) {
    at++;
    *length -= 2;
  }
  return *length > 0 ? at : NULL;
}
