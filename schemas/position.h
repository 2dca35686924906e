/* What a store remembers of an input, so that nothing is counted twice: how far it was read, and how to know it again. Written by
 * ingest/, kept by aggregate/ in the catalog, carried between them by tools/pipeline.c. */
#ifndef SCHEMAS_POSITION_H
#define SCHEMAS_POSITION_H

#include "base/slice.h"

enum input_kind {
  INPUT_STDIN, /* cannot be read again: has no position in the catalog */
  INPUT_FILE,
  INPUT_KAFKA,
};

/* A place in an input: bytes from the beginning of a file (decompressed), or an offset of a Kafka partition.
 *
 *   0 ........ replay_from ........ committed ........ end
 *      in the store, forgotten |  in the store, read   |  not in the store
 *                              |  again for the join   |
 *
 * Everything before `committed` is counted in the store. `replay_from` is where reading starts again after a restart. */
struct input_position {
  uint64_t id; /* of the catalog's row; 0 while the catalog does not know it */
  enum input_kind kind;
  struct slice name; /* path as given, or "topic/partition" */
  uint64_t device, inode;
  uint64_t head_hash, tail_hash; /* XXH3 of the first head_len bytes, and of the tail_len bytes before `committed` */
  uint32_t head_len, tail_len;   /* decompressed bytes; 0 for Kafka */
  uint64_t committed, replay_from;
};

/* A message that is still open and older than the replay window, as it stands in the catalog. `state` is written and read by
 * the join alone. */
struct open_message {
  struct slice scope; /* which join it belongs to: "files", "stdin", "topic/partition" */
  struct slice key;   /* unique in its scope */
  struct slice state; /* empty: the message is closed, delete its row */
};

#endif
