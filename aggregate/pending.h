/* Segment files between writing and commit. Whoever loses interest frees them, and the files go with them. */
#ifndef AGGREGATE_PENDING_H
#define AGGREGATE_PENDING_H

#include "aggregate/catalog.h"

#define PENDING_SUFFIX ".tmp"

/* Notes a file segments_dir/NAME.tmp, written and fsynced. The directory's name is copied. */
void pending_segments_add(struct pending_segments *pending, const char *segments_dir, const struct segment_record *segment);

size_t pending_segments_count(const struct pending_segments *pending);
const struct segment_record *pending_segments_at(const struct pending_segments *pending, size_t index);

/* Gives every file its final name. On failure some have it and some do not; pending_segments_discard unlinks either. */
bool pending_segments_rename(struct pending_segments *pending, struct error *err);

/* Unlinks the files and forgets them. */
void pending_segments_discard(struct pending_segments *pending);

/* Forgets the files and leaves them where they are. */
void pending_segments_forget(struct pending_segments *pending);

#endif
