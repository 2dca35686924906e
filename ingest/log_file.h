/* One open log: a plain file that workers read in parts, a packed file, or a stream (stdin, a pipe). Opening it finds out whether it was
 * read before, and where to go on:
 *
 *   not known                      everything is new
 *   known, longer now              [replay_from, committed) as replay, then what is new
 *   known, committed at its end    what the join still needs as replay, then the end
 *   known, but cut since           nothing; what will be added behind its end is new; a warning
 *   head known, tail differs       another file: everything is new
 */
#ifndef INGEST_LOG_FILE_H
#define INGEST_LOG_FILE_H

#include "ingest/batch_buffer.h"
#include "ingest/source_inputs.h"

struct log_file;

/* Opens the path ("-": stdin). `buffer` is lent until log_file_free. NULL with err naming the path; with `is_missing` set (may be NULL)
 * when there is no such file. */
struct log_file *log_file_open(struct input_table *table, const char *path, struct batch_buffer *buffer, bool *is_missing,
                               struct error *err);
/* The input of the file counts as no longer read; it is ended when log_file_end said so. */
void log_file_free(struct log_file *file);

enum log_file_step {
  LOG_FILE_BATCH,  /* a batch, or (fill->want not 0) an announced one */
  LOG_FILE_WAIT,   /* a stream has nothing now */
  LOG_FILE_AT_END, /* all there is now was handed out, but for a last line without newline */
  LOG_FILE_FAILED,
};
enum log_file_step log_file_next(struct log_file *file, int timeout_ms, struct batch *batch, struct batch_fill *fill,
                                 struct error *err);
/* The announced bytes were read: `got` of them. Sets batch->len, 0 when there is no whole line. */
void log_file_filled(struct log_file *file, struct batch *batch, size_t got);

/* The file ends here: hands out a last line without newline (true), or marks the input as ended (false). */
bool log_file_end(struct log_file *file, struct batch *batch);

/* Whether the file at `path` is this very file, as stat says; *exists false when there is none. */
bool log_file_is_at(const struct log_file *file, const char *path, bool *exists);
/* Whether the bytes already handed out are no longer there: the file was cut or written anew in place. */
bool log_file_is_rewritten(struct log_file *file);

struct input *log_file_input(const struct log_file *file);
uint64_t log_file_stored_bytes(const struct log_file *file);

/* The position of this run or of the store that the file at `path` has, without reading it as an input; NULL when it is not known or
 * cannot be opened. For finding where a rotated file went. */
const struct input_position *log_file_find_known(struct input_table *table, const char *path);

#endif
