/* How a file is known again after it was renamed, rotated, copied or packed: by its unpacked bytes alone.
 *
 *   | head: first min(4096, committed) bytes | ... | tail: up to 1024 bytes before committed | not yet in the store
 *
 * Only bytes that are in the store are hashed, so a short head is no weaker: a file that begins with all that was committed is the same
 * file, or a copy of it. Device and inode only choose between equals. */
#ifndef INGEST_FINGERPRINT_H
#define INGEST_FINGERPRINT_H

#include "schemas/position.h"

#define FINGERPRINT_HEAD_BYTES 4096u
#define FINGERPRINT_TAIL_BYTES 1024u

/* The first bytes of a file, as far as they are known; more may come as it grows. */
struct file_head {
  char bytes[FINGERPRINT_HEAD_BYTES];
  size_t len;
  uint64_t full_hash; /* of all bytes when len is FINGERPRINT_HEAD_BYTES */
};

/* Bytes of the file from `position` on; what the head lacks is taken from them. */
void file_head_extend(struct file_head *head, uint64_t position, struct slice bytes);

/* The first line, without its line end; absent when the head does not hold all of it. */
struct slice file_head_line(const struct file_head *head);

/* All whole lines that the head holds, each with its line end; absent when there is none. */
struct slice file_head_lines(const struct file_head *head);

/* Whether the file with this head begins as the one of `known` did. False when the file is shorter than the known head. */
bool file_head_matches(const struct file_head *head, const struct input_position *known);

/* Everything before `committed` is in the store, `tail` stands before it: sets committed and the hashes. `head` holds at least
 * min(committed, FINGERPRINT_HEAD_BYTES) bytes. */
void fingerprint_commit(struct input_position *position, const struct file_head *head, uint64_t committed, struct slice tail);

#endif
