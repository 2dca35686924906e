/* Segment files between writing and commit. Whoever loses interest frees them, and the files go with them. */
#ifndef AGGREGATE_PENDING_H
#define AGGREGATE_PENDING_H

#include "aggregate/catalog.h"

#define SEGMENT_SUFFIX ".mp.zst"
#define PENDING_SUFFIX ".tmp"

/* Notes a file segments_dir/NAME.tmp, written and fsynced. The directory's name is copied. */
void pending_segments_add(struct pending_segments *pending, const char *segments_dir, const struct segment_record *segment);

size_t pending_segments_count(const struct pending_segments *pending);
const struct segment_record *pending_segments_at(const struct pending_segments *pending, size_t index);

/* Gives every file that has it not yet its final name. On failure some have it and some do not, and it may be tried again. */
bool pending_segments_rename(struct pending_segments *pending, struct error *err);
/* The temporary names again, as far as that can be done: after the directory's fsync failed. The kernel may take what it could not
 * write for written and tell no second fsync of it; names that are given anew are written anew. */
void pending_segments_rename_back(struct pending_segments *pending);

/* The final names are on the disk: there is nothing to rename any more. */
bool pending_segments_are_durable(const struct pending_segments *pending);
void pending_segments_set_durable(struct pending_segments *pending);

/* From now on the files are left where they are, whatever becomes of `pending`: a commit that failed may be found done. */
void pending_segments_keep_files(struct pending_segments *pending);

/* Unlinks the files, unless they are to be kept, and forgets them. */
void pending_segments_discard(struct pending_segments *pending);

/* Forgets the files and leaves them where they are. */
void pending_segments_forget(struct pending_segments *pending);

#endif
