/* Patterns compiled by Hyperscan, and kept on disk, since compiling costs some milliseconds each and loading microseconds.
 *
 *   DIR/regex-KEY.hs          KEY: hash of the patterns, of Hyperscan's version and of the processor's features
 *
 *   "BMHS0002" | key (16 bytes) | hash of the rest (8 bytes) | for each pattern: length (8 bytes), what hs_serialize_database gives
 *
 * A file that is damaged, another's, or writable by others is not used but made again. It is a cache: a failure to write it is no error. */
#ifndef CLASSIFY_PATTERN_DATABASE_H
#define CLASSIFY_PATTERN_DATABASE_H

#include <hs.h>

#include "base/error.h"
#include "base/slice.h"

struct patterns {
  const char **texts; /* NUL-terminated, owned */
  unsigned *flags;
  unsigned count;
};
void patterns_init(struct patterns *patterns, size_t count);
void patterns_deinit(struct patterns *patterns);

/* A database for each pattern, for blocks, into out[count], all NULL before; free each with hs_free_database. `what` ("regex") stands in
 * errors and in the file's name. `cache_dir` is made when it is not there; NULL: always compile. False with err naming the pattern that
 * cannot be compiled. */
bool pattern_databases_new(const struct patterns *patterns, const char *what, const char *cache_dir, hs_database_t **out,
                           struct error *err);

#endif
