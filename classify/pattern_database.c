/* Compiles patterns, or finds them compiled. See pattern_database.h. */
#include "classify/pattern_database.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"

#define MAGIC "BMHS0002"
#define MAGIC_BYTES 8u
#define KEY_BYTES 16u
#define HEADER_BYTES (MAGIC_BYTES + KEY_BYTES + sizeof(uint64_t))

/* A pattern has some 5 KiB. */
#define FILE_BYTES_MAX (256u << 20)

/* Files of one kind that are left when another is written: several versions or directories of rules in use side by side. */
#define FILES_KEPT 8

void patterns_init(struct patterns *p, size_t count) {
  p->texts = memory_zeroed((count + 1) * sizeof *p->texts);
  p->flags = memory_zeroed((count + 1) * sizeof *p->flags);
  p->count = (unsigned)count;
}

void patterns_deinit(struct patterns *p) {
  for (unsigned i = 0; i < p->count; i++) free((char *)(uintptr_t)p->texts[i]);
  free(p->texts);
  free(p->flags);
}

static bool compile_all(const struct patterns *p, const char *what, hs_database_t **out, struct error *err) {
  for (unsigned i = 0; i < p->count; i++) {
    hs_compile_error_t *problem = NULL;
    if (hs_compile(p->texts[i], p->flags[i], HS_MODE_BLOCK, NULL, &out[i], &problem) == HS_SUCCESS) continue;
    error_set(err, ERROR_USAGE, "rules: %s %s: %s", what, p->texts[i], problem ? problem->message : "cannot be compiled");
    hs_free_compile_error(problem);
    return false;
  }
  return true;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------- */

struct place {
  struct buf path;
  XXH128_canonical_t key;
};

static bool place_init(struct place *place, const struct patterns *p, const char *what, const char *dir) {
  hs_platform_info_t platform = {0};
  if (hs_populate_platform(&platform) != HS_SUCCESS) return false;
  struct buf all = {0};
  buf_append_slice(&all, slice_from_cstr(hs_version()));
  buf_append(&all, &platform, sizeof platform);
  for (unsigned i = 0; i < p->count; i++) {
    buf_append(&all, &p->flags[i], sizeof p->flags[i]);
    buf_append(&all, p->texts[i], strlen(p->texts[i]) + 1);
  }
  XXH128_canonicalFromHash(&place->key, XXH3_128bits(all.ptr, all.len));
  buf_deinit(&all);
  place->path = (struct buf){0};
  buf_printf(&place->path, "%s/%s-", dir, what);
  for (size_t i = 0; i < KEY_BYTES; i++) buf_printf(&place->path, "%02x", place->key.digest[i]);
  buf_append(&place->path, ".hs", sizeof ".hs");
  return true;
}

static bool read_whole(int fd, struct buf *out) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)))
    return false;
  if (info.st_size < (off_t)HEADER_BYTES || info.st_size > (off_t)FILE_BYTES_MAX) return false;
  size_t size = (size_t)info.st_size;
  char *to = buf_reserve(out, size);
  while (out->len < size) {
    ssize_t got = read(fd, to + out->len, size - out->len);
    if (got <= 0) return false;
    out->len += (size_t)got;
  }
  return true;
}

static bool read_databases(struct slice bytes, unsigned count, hs_database_t **out) {
  for (unsigned i = 0; i < count; i++) {
    uint64_t len;
    if (bytes.len < sizeof len) return false;
    memcpy(&len, bytes.ptr, sizeof len);
    bytes = slice_skip(bytes, sizeof len);
    if (len > bytes.len || hs_deserialize_database(bytes.ptr, len, &out[i]) != HS_SUCCESS) return false;
    bytes = slice_skip(bytes, len);
  }
  return bytes.len == 0;
}

static bool load(const struct place *place, unsigned count, hs_database_t **out) {
  int fd = open(place->path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  struct buf file = {0};
  uint64_t hash;
  bool done = read_whole(fd, &file) && memcmp(file.ptr, MAGIC, MAGIC_BYTES) == 0 &&
              memcmp(file.ptr + MAGIC_BYTES, place->key.digest, KEY_BYTES) == 0;
  if (done) {
    struct slice rest = slice_skip(buf_slice(&file), HEADER_BYTES);
    memcpy(&hash, file.ptr + MAGIC_BYTES + KEY_BYTES, sizeof hash);
    done = hash == hash_slice(rest) && read_databases(rest, count, out);
  }
  buf_deinit(&file);
  close(fd);
  return done;
}

static bool write_whole(int fd, struct slice bytes) {
  while (bytes.len) {
    ssize_t written = write(fd, bytes.ptr, bytes.len);
    if (written <= 0) return false;
    bytes = slice_skip(bytes, (size_t)written);
  }
  return true;
}

/* Old files of the same kind: the least recently written go. */
static void forget_old(const char *dir, const char *what) {
  for (;;) {
    DIR *listing = opendir(dir);
    if (!listing) return;
    char oldest[NAME_MAX + 1] = "";
    struct timespec oldest_time = {0};
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(listing));) {
      struct slice name = slice_from_cstr(entry->d_name);
      struct stat info;
      if (!slice_starts_with(name, slice_from_cstr(what)) || !slice_ends_with(name, SLICE(".hs"))) continue;
      if (fstatat(dirfd(listing), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      bool is_older = info.st_mtim.tv_sec < oldest_time.tv_sec ||
                      (info.st_mtim.tv_sec == oldest_time.tv_sec && info.st_mtim.tv_nsec < oldest_time.tv_nsec);
      if (count++ == 0 || is_older) {
        oldest_time = info.st_mtim;
        memcpy(oldest, entry->d_name, name.len + 1);
      }
    }
    bool is_done = count <= FILES_KEPT || unlinkat(dirfd(listing), oldest, 0) != 0;
    closedir(listing);
    if (is_done) return;
  }
}

/* Makes `dir` and its parent ($HOME/.cache of a new user), no more. */
static void make_dir(const char *dir) {
  const char *slash = strrchr(dir, '/');
  if (slash && slash > dir) {
    char *parent = strndup(dir, (size_t)(slash - dir));
    mkdir(parent, 0700);
    free(parent);
  }
  mkdir(dir, 0700);
}

static bool append_databases(struct buf *to, hs_database_t *const *databases, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char *bytes = NULL;
    size_t len = 0;
    if (hs_serialize_database(databases[i], &bytes, &len) != HS_SUCCESS) return false;
    uint64_t len_8 = len;
    buf_append(to, &len_8, sizeof len_8);
    buf_append(to, bytes, len);
    free(bytes);
  }
  return true;
}

/* Under another name first, so that nobody reads half of it. Two that write at once may spoil it: the hash tells. */
static void write_file(const struct place *place, const char *dir, const char *what, struct slice bytes) {
  struct buf temporary = {0};
  make_dir(dir);
  buf_printf(&temporary, "%s.tmp", place->path.ptr);
  buf_append_byte(&temporary, '\0');
  int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) {
    bool is_written = write_whole(fd, bytes);
    is_written &= close(fd) == 0;
    if (!is_written || rename(temporary.ptr, place->path.ptr) != 0) unlink(temporary.ptr);
    forget_old(dir, what);
  }
  buf_deinit(&temporary);
}

static void save(const struct place *place, const char *dir, const char *what, hs_database_t *const *databases, unsigned count) {
  struct buf file = {0};
  uint64_t hash = 0;
  buf_append(&file, MAGIC, MAGIC_BYTES);
  buf_append(&file, place->key.digest, KEY_BYTES);
  buf_append(&file, &hash, sizeof hash);
  if (append_databases(&file, databases, count)) {
    hash = hash_slice(slice_skip(buf_slice(&file), HEADER_BYTES));
    memcpy(file.ptr + MAGIC_BYTES + KEY_BYTES, &hash, sizeof hash);
    write_file(place, dir, what, buf_slice(&file));
  }
  buf_deinit(&file);
}

static void clear(hs_database_t **databases, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    hs_free_database(databases[i]);
    databases[i] = NULL;
  }
}

bool pattern_databases_new(const struct patterns *patterns, const char *what, const char *cache_dir, hs_database_t **out,
                           struct error *err) {
  struct place place;
  if (!patterns->count) return true;
  if (!cache_dir || !place_init(&place, patterns, what, cache_dir)) return compile_all(patterns, what, out, err);
  bool done = load(&place, patterns->count, out);
  if (!done) {
    clear(out, patterns->count);
    done = compile_all(patterns, what, out, err);
    if (done) save(&place, cache_dir, what, out, patterns->count);
  }
  buf_deinit(&place.path);
  return done;
}
