/* Reads one segment and believes nothing of it: every length is held against the file, every frame's XXH3 is checked before it is
 * decompressed, every value's length before it is read. One frame is in memory at a time.
 *
 *   decoder = segment_decoder_new()                  one for each thread: what readers share
 *   segment_reader_open -> segment_reader_next, ... -> segment_reader_close
 *
 * Errors name the file and what is wrong with it; ERROR_INPUT. */
#ifndef AGGREGATE_SEGMENT_READER_H
#define AGGREGATE_SEGMENT_READER_H

#include "aggregate/catalog.h"

/* A zstd context and a buffer for compressed bytes. */
struct segment_decoder;
struct segment_decoder *segment_decoder_new(void);
void segment_decoder_free(struct segment_decoder *decoder);

struct segment_reader;

/* Opens, checks header, index and that they fit the file. `decoder` must outlive the reader. NULL: see err. */
struct segment_reader *segment_reader_open(const char *path, const struct dataset *dataset, struct segment_decoder *decoder,
                                           struct error *err);
/* The same of an open file, which is not closed with the reader; `name` is for errors and is copied. */
struct segment_reader *segment_reader_open_fd(int fd, const char *name, const struct dataset *dataset,
                                              struct segment_decoder *decoder, struct error *err);
void segment_reader_close(struct segment_reader *reader);

/* What header and trailer say. id and name are not in the file and are 0 and "". */
const struct segment_record *segment_reader_record(const struct segment_reader *reader);

/* The largest frame's content: what the reader will hold in memory. */
size_t segment_reader_frame_bytes(const struct segment_reader *reader);

/* False when the file is not the one that the catalog means: other rows, size, range or checksum. */
bool segment_reader_is(const struct segment_reader *reader, const struct segment_record *known, struct error *err);

/* Reads every frame and checks its XXH3, without decompressing. */
bool segment_reader_check_frames(struct segment_reader *reader, struct error *err);

/* Only rows of [since_us, until_us) will come: rows of a minute when the minute begins in it, rows of an hour or a day when they
 * overlap it. Before the first segment_reader_next. */
void segment_reader_set_range(struct segment_reader *reader, int64_t since_us, int64_t until_us);

/* Times of rows are rounded down to `resolution_s` (which divides a day). Rows stay in order; neighbours may get equal keys. Before the
 * first segment_reader_next. */
void segment_reader_set_rounding(struct segment_reader *reader, uint32_t resolution_s);

/* The next row, good until the next call; its strings point into the reader. *row is NULL at the end. False: damaged. */
bool segment_reader_next(struct segment_reader *reader, const void **row, struct error *err);

/* The row that the last segment_reader_next gave. */
const void *segment_reader_row(const struct segment_reader *reader);

/* Whether the next segment_reader_next may give up the bytes that strings of rows so far point to. */
bool segment_reader_may_leave_frame(const struct segment_reader *reader);

#endif
