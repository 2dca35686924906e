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

#define MAGIC "BMHS0001"
#define MAGIC_BYTES 8u
#define KEY_BYTES 16u
#define HEADER_BYTES (MAGIC_BYTES + KEY_BYTES + sizeof(uint64_t))

/* A database of 2000 rules has some 4 MiB. */
#define FILE_BYTES_MAX (256u << 20)

/* Files of one kind that are left when another is written: several versions or directories of rules in use side by side. */
#define FILES_KEPT 8

void patterns_init(struct patterns *p, size_t count) {
  p->texts = memory_zeroed((count + 1) * sizeof *p->texts);
  p->flags = memory_zeroed((count + 1) * sizeof *p->flags);
  p->ids = memory_zeroed((count + 1) * sizeof *p->ids);
  p->count = (unsigned)count;
}

void patterns_deinit(struct patterns *p) {
  for (unsigned i = 0; i < p->count; i++) free((char *)(uintptr_t)p->texts[i]);
  free(p->texts);
  free(p->flags);
  free(p->ids);
}

static bool compile(const struct patterns *p, const char *what, hs_database_t **out, struct error *err) {
  hs_compile_error_t *problem = NULL;
  if (hs_compile_multi(p->texts, p->flags, p->ids, p->count, HS_MODE_BLOCK, NULL, out, &problem) == HS_SUCCESS) return true;
  const char *text = problem && problem->expression >= 0 ? p->texts[problem->expression] : "";
  error_set(err, ERROR_USAGE, "rules: %s %s: %s", what, text, problem ? problem->message : "cannot be compiled");
  hs_free_compile_error(problem);
  return false;
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
    buf_append(&all, &p->ids[i], sizeof p->ids[i]);
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

static bool load(const struct place *place, hs_database_t **out) {
  int fd = open(place->path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  struct buf file = {0};
  uint64_t hash;
  bool done = read_whole(fd, &file) && memcmp(file.ptr, MAGIC, MAGIC_BYTES) == 0 &&
              memcmp(file.ptr + MAGIC_BYTES, place->key.digest, KEY_BYTES) == 0;
  if (done) {
    memcpy(&hash, file.ptr + MAGIC_BYTES + KEY_BYTES, sizeof hash);
    done = hash == hash_bytes(file.ptr + HEADER_BYTES, file.len - HEADER_BYTES) &&
           hs_deserialize_database(file.ptr + HEADER_BYTES, file.len - HEADER_BYTES, out) == HS_SUCCESS;
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

/* Under another name first, so that nobody reads half of it. Two that write at once may spoil it: the hash tells. */
static void save(const struct place *place, const char *dir, const char *what, const hs_database_t *database) {
  char *bytes = NULL;
  size_t len = 0;
  if (hs_serialize_database(database, &bytes, &len) != HS_SUCCESS) return;
  make_dir(dir);
  struct buf temporary = {0}, file = {0};
  buf_printf(&temporary, "%s.tmp", place->path.ptr);
  buf_append_byte(&temporary, '\0');
  uint64_t hash = hash_bytes(bytes, len);
  buf_append(&file, MAGIC, MAGIC_BYTES);
  buf_append(&file, place->key.digest, KEY_BYTES);
  buf_append(&file, &hash, sizeof hash);
  buf_append(&file, bytes, len);
  int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) {
    bool is_written = write_whole(fd, buf_slice(&file));
    is_written &= close(fd) == 0;
    if (!is_written || rename(temporary.ptr, place->path.ptr) != 0) unlink(temporary.ptr);
    forget_old(dir, what);
  }
  buf_deinit(&temporary);
  buf_deinit(&file);
  free(bytes);
}

bool pattern_database_new(const struct patterns *patterns, const char *what, const char *cache_dir, hs_database_t **out,
                          struct error *err) {
  *out = NULL;
  if (!patterns->count) return true;
  struct place place;
  if (!cache_dir || !place_init(&place, patterns, what, cache_dir)) return compile(patterns, what, out, err);
  bool done = load(&place, out);
  if (!done) {
    done = compile(patterns, what, out, err);
    if (done) save(&place, cache_dir, what, *out);
  }
  buf_deinit(&place.path);
  return done;
}
