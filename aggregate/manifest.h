/* A copy of what only the catalog knows, for the day when it is lost: which segments are live, and how far each input was read. It
 * is written anew after every commit; the segments' own headers know the rest.
 *
 *   STORE/manifest   MessagePack: [1, [[id, name, index_xxh3], ...], [[kind, name, device, inode, head_len, head_xxh3, tail_len,
 *                    tail_xxh3, committed, replay_from], ...]], then 8 bytes: XXH3-64 of all before, little-endian
 *
 * It may be one commit old (a kill between COMMIT and here), and is whole and true then, too: of the state before. Whoever takes
 * segments out of the catalog writes it before he deletes their files. */
#ifndef AGGREGATE_MANIFEST_H
#define AGGREGATE_MANIFEST_H

#include "aggregate/catalog.h"
#include "base/buf.h"

/* Writes dir/manifest as `catalog` stands: a file of its own, fsynced, renamed over the one before. */
bool manifest_write(const char *dir, struct catalog *catalog, struct error *err);

struct manifest_segment {
  uint64_t id, index_hash;
  struct slice name;
};

struct manifest {
  struct buf bytes; /* what all slices point into */
  struct manifest_segment *segments;
  struct input_position *inputs; /* id 0 */
  size_t segment_count, input_count;
};
/* Reads it and believes nothing of it. False: it is missing or damaged; manifest_deinit in any case. */
bool manifest_read(const char *dir, struct manifest *out, struct error *err);
void manifest_deinit(struct manifest *manifest);

#endif
