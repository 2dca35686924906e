/* Takes rules/ and data/ into the program. The build writes embedded_files.inc: EMBEDDED(symbol, name, path) for each file. */
#include "classify/embedded.h"

#define EMBEDDED(symbol, name, path)                                                     \
  __asm__(                                                                               \
      ".pushsection .rodata\n"                                                           \
      ".globl bouncemill_embedded_" #symbol "\n.hidden bouncemill_embedded_" #symbol     \
      "\n"                                                                               \
      ".globl bouncemill_embedded_" #symbol "_end\n.hidden bouncemill_embedded_" #symbol \
      "_end\n"                                                                           \
      "bouncemill_embedded_" #symbol ":\n.incbin \"" path                                \
      "\"\n"                                                                             \
      "bouncemill_embedded_" #symbol "_end:\n.byte 0\n.popsection\n");                   \
  extern const char bouncemill_embedded_##symbol[], bouncemill_embedded_##symbol##_end[];
#include "embedded_files.inc"
#undef EMBEDDED

static const struct {
  const char *name, *begin, *end;
} FILES[] = {
#define EMBEDDED(symbol, name, path) {name, bouncemill_embedded_##symbol, bouncemill_embedded_##symbol##_end},
#include "embedded_files.inc"
#undef EMBEDDED
};

size_t embedded_count(void) { return sizeof FILES / sizeof *FILES; }

struct embedded_file embedded_file_at(size_t i) {
  return (struct embedded_file){FILES[i].name, slice_between(FILES[i].begin, FILES[i].end)};
}
