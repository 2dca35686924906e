/* generate_schemas [--check] ROOT: writes the generated files below ROOT, or with --check tells which of them are stale (exit code
 * 1). A file that is as it should be is not touched. */
#include <errno.h>
#include <stdio.h>

#include "schemas/generate/generate.h"

static const struct {
  const char *path;
  void (*generate)(struct buf *out);
} FILES[] = {
    {"schemas/clickhouse.sql", generate_clickhouse},
    {"docs/schemas.md", generate_schemas},
    {"docs/taxonomy.md", generate_taxonomy},
};

static bool holds(const char *path, struct slice text) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  /* One byte more than wanted, to see a longer file. */
  char *found = memory_alloc(text.len + 1);
  size_t len = fread(found, 1, text.len + 1, file);
  fclose(file);
  bool is_same = slice_equal(slice_of(found, len), text);
  free(found);
  return is_same;
}

static bool replace(const char *path, struct slice text) {
  FILE *file = fopen(path, "wb");
  bool ok = file && fwrite(text.ptr, 1, text.len, file) == text.len;
  if (file && fclose(file) != 0) ok = false;
  if (!ok) fprintf(stderr, "generate_schemas: cannot write %s: %s\n", path, strerror(errno));
  return ok;
}

int main(int argc, char **argv) {
  bool is_check = argc == 3 && strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !is_check) {
    fprintf(stderr, "usage: generate_schemas [--check] ROOT\n");
    return 2;
  }
  bool is_stale = false;
  for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
    char path[4096];
    struct buf text = {0};
    snprintf(path, sizeof path, "%s/%s", argv[argc - 1], FILES[i].path);
    FILES[i].generate(&text);
    if (!holds(path, buf_slice(&text))) {
      if (is_check) {
        printf("%s is stale; run: cmake --build build --target update_schemas\n", FILES[i].path);
        is_stale = true;
      } else if (!replace(path, buf_slice(&text))) {
        return 3;
      }
    }
    buf_deinit(&text);
  }
  return is_stale;
}
