/* See cache_dir.h. XDG Base Directory Specification 0.8: relative paths in $XDG_CACHE_HOME are ignored. */
#include "tools/cache_dir.h"

#include <stdlib.h>

static bool append_dir(struct buf *path, const char *variable, const char *behind) {
  const char *value = getenv(variable);
  if (!value || value[0] != '/') return false;
  buf_printf(path, "%s%s", value, behind);
  buf_append_byte(path, '\0');
  return true;
}

struct classifier *classifier_new_cached(const struct classifier_options *options, struct error *err) {
  struct classifier_options with_cache = *options;
  struct buf path = {0};
  if (append_dir(&path, "CACHE_DIRECTORY", "") || append_dir(&path, "XDG_CACHE_HOME", "/bouncemill") ||
      append_dir(&path, "HOME", "/.cache/bouncemill"))
    with_cache.cache_dir = path.ptr;
  struct classifier *classifier = classifier_new(&with_cache, err);
  buf_deinit(&path);
  return classifier;
}
