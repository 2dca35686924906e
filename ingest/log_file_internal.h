/* What log_file.c (reading) and log_file_identity.c (finding out what a file is) share. */
#ifndef INGEST_LOG_FILE_INTERNAL_H
#define INGEST_LOG_FILE_INTERNAL_H

#include "base/buf.h"
#include "ingest/byte_reader.h"
#include "ingest/fingerprint.h"
#include "ingest/log_file.h"

struct log_file {
  struct input_table *table;
  char *path;
  int fd;
  bool is_stream; /* cannot be read again: no identity, no position */
  bool is_packed;
  uint64_t device, inode, size; /* size as stored, when last looked at */
  int64_t modified_us;
  struct byte_reader *reader; /* packed files and streams */
  struct file_head head;
  struct input *input;
  struct batch_buffer *buffer;
  uint64_t replay_end; /* what stands before it is handed out as replay, and never in one batch with what follows */
  struct buf scratch;  /* unpacked bytes before the place where reading starts */
};

/* Path, descriptor, kind, size and head; no input yet. */
bool log_file_look(struct log_file *file, bool *is_missing, struct error *err);
void log_file_deinit(struct log_file *file);

/* What is known of these bytes. */
enum file_identity { FILE_NEW, FILE_KNOWN, FILE_CUT };
struct file_match {
  enum file_identity identity;
  const struct input_position *position; /* NULL for FILE_NEW */
  struct input *input;                   /* of this run, or NULL */
};
bool log_file_identify(struct log_file *file, struct file_match *out, struct error *err);

/* The up to `len_max` bytes before `position` of the unpacked file (for a packed one this reads it from its beginning and leaves the
 * reader standing there); good until the next call. *reached is less than `position` when the file ends before. */
bool log_file_read_before(struct log_file *file, uint64_t position, size_t len_max, struct slice *out, uint64_t *reached,
                          struct error *err);

#endif
