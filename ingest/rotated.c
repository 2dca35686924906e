/* Looks for rotated logs in the directory of the log. See rotated.h. */
#include "ingest/rotated.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "ingest/log_file.h"

struct sibling {
  char *path;
  int64_t modified_ns;
  bool is_numbered; /* what stands behind the log's name is numbers (and .gz, .zst): surely a rotated one, not mail.log.err */
};

struct siblings {
  struct sibling *items;
  size_t count;
};

void path_list_deinit(struct path_list *list) {
  for (size_t i = 0; i < list->count; i++) free(list->paths[i]);
  free(list->paths);
  *list = (struct path_list){0};
}

static void path_list_add(struct path_list *list, const char *path) {
  list->paths = memory_resize(list->paths, (list->count + 1) * sizeof *list->paths);
  list->paths[list->count++] = strcpy(memory_alloc(strlen(path) + 1), path);
}

static bool is_numbered(const char *suffix) {
  struct slice rest = slice_from_cstr(suffix);
  if (slice_ends_with(rest, SLICE(".gz")))
    rest.len -= 3;
  else if (slice_ends_with(rest, SLICE(".zst")))
    rest.len -= 4;
  for (size_t i = 0; i < rest.len; i++)
    if (!ascii_is_digit(rest.ptr[i]) && !strchr("-.T_", rest.ptr[i])) return false;
  return rest.len > 1;
}

static int compare_age(const void *a, const void *b) {
  const struct sibling *x = a, *y = b;
  if (x->modified_ns != y->modified_ns) return x->modified_ns < y->modified_ns ? -1 : 1;
  return strcmp(x->path, y->path);
}

/* Regular files whose names begin with the log's and go on with '.' or '-', oldest first. */
static void list_siblings(const char *path, struct siblings *out) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t dir_len = (size_t)(name - path), name_len = strlen(name);
  char *dir_path = memory_zeroed(dir_len + 2);
  memcpy(dir_path, dir_len ? path : ".", dir_len ? dir_len : 1);
  DIR *dir = opendir(dir_path);
  free(dir_path);
  struct dirent *entry;
  while (dir && (entry = readdir(dir)) != NULL) {
    const char *suffix = entry->d_name + name_len;
    if (strncmp(entry->d_name, name, name_len) != 0 || (*suffix != '.' && *suffix != '-')) continue;
    size_t size = dir_len + strlen(entry->d_name) + 1;
    struct sibling sibling = {.path = memory_alloc(size), .is_numbered = is_numbered(suffix)};
    snprintf(sibling.path, size, "%.*s%s", (int)dir_len, path, entry->d_name);
    struct stat st;
    if (stat(sibling.path, &st) != 0 || !S_ISREG(st.st_mode)) {
      free(sibling.path);
      continue;
    }
    sibling.modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    out->items = memory_resize(out->items, (out->count + 1) * sizeof *out->items);
    out->items[out->count++] = sibling;
  }
  if (dir) closedir(dir);
  if (out->count) qsort(out->items, out->count, sizeof *out->items, compare_age);
}

bool rotated_find(struct input_table *table, const char *path, const struct input_position *last, struct path_list *list) {
  struct siblings siblings = {0};
  list_siblings(path, &siblings);
  bool is_found = false;
  for (size_t i = 0; i < siblings.count; i++) {
    const struct input_position *known = log_file_find_known(table, siblings.items[i].path);
    bool is_last = known && known->head_hash == last->head_hash && known->committed == last->committed;
    /* A copy of it (mail.log.1 and mail.log.1.gz while it is packed) adds nothing. */
    if (is_last ? !is_found : is_found && !known && siblings.items[i].is_numbered) path_list_add(list, siblings.items[i].path);
    is_found = is_found || is_last;
  }
  for (size_t i = 0; i < siblings.count; i++) free(siblings.items[i].path);
  free(siblings.items);
  return is_found;
}
