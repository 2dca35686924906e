/* Files and stdin, each read to its end, one after another in the order given. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "ingest/log_file.h"
#include "ingest/source_member.h"

struct sequence {
  struct input_table *table;
  const char *const *names;
  size_t name_count, next_name;
  struct log_file *file; /* being read; NULL between two */
  struct batch_buffer buffer;
  uint64_t done_bytes, total_bytes; /* of the files behind us; of all, as they were at the start */
};

static void sequence_free(void *state) {
  struct sequence *sequence = state;
  log_file_free(sequence->file);
  batch_buffer_deinit(&sequence->buffer);
  free(sequence);
}

static bool sequence_fill_done(void *state, struct batch *batch, size_t got, struct error *err) {
  (void)err;
  struct sequence *sequence = state;
  assert(sequence->file);
  log_file_filled(sequence->file, batch, got);
  return true;
}

static enum source_state sequence_next(void *state, int timeout_ms, struct batch *batch, struct batch_fill *fill,
                                       struct error *err) {
  struct sequence *sequence = state;
  for (;;) {
    if (!sequence->file) {
      if (sequence->next_name == sequence->name_count) return SOURCE_END;
      const char *name = sequence->names[sequence->next_name];
      sequence->file = log_file_open(sequence->table, name, &sequence->buffer, NULL, err);
      if (!sequence->file) return SOURCE_FAILED;
      sequence->next_name++;
    }
    switch (log_file_next(sequence->file, timeout_ms, batch, fill, err)) {
      case LOG_FILE_BATCH: return SOURCE_BATCH;
      case LOG_FILE_WAIT: return SOURCE_IDLE;
      case LOG_FILE_FAILED: return SOURCE_FAILED;
      case LOG_FILE_AT_END: break;
    }
    if (log_file_end(sequence->file, batch)) return SOURCE_BATCH;
    sequence->done_bytes += log_file_stored_bytes(sequence->file);
    log_file_free(sequence->file);
    sequence->file = NULL;
  }
}

static void sequence_progress(const void *state, uint64_t *done_bytes, uint64_t *total_bytes) {
  const struct sequence *sequence = state;
  *done_bytes = sequence->done_bytes + (sequence->file ? log_file_stored_bytes(sequence->file) : 0);
  *total_bytes = sequence->total_bytes;
}

/* What can be known to fail now fails now, not after hours of reading the files before. */
static bool check_name(struct sequence *sequence, const char *name, bool *is_size_known, struct error *err) {
  struct stat st;
  *is_size_known = false;
  if (strcmp(name, "-") == 0) return true;
  if (stat(name, &st) != 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", name);
  if (S_ISDIR(st.st_mode)) return error_set(err, ERROR_INPUT, "%s: is a directory; name the log files in it", name);
  if (access(name, R_OK) != 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", name);
  *is_size_known = S_ISREG(st.st_mode);
  if (*is_size_known) sequence->total_bytes += (uint64_t)st.st_size;
  return true;
}

bool source_sequence_new(struct input_table *table, const char *const *names, size_t name_count, unsigned parts,
                         struct source_member *out, struct error *err) {
  struct sequence *sequence = memory_zeroed(sizeof *sequence);
  *sequence = (struct sequence){.table = table, .names = names, .name_count = name_count};
  input_table_buffer_init(table, &sequence->buffer, parts);
  bool is_total_known = true, is_done = true;
  for (size_t i = 0; i < name_count && is_done; i++) {
    bool is_size_known;
    is_done = check_name(sequence, names[i], &is_size_known, err);
    is_total_known = is_total_known && is_size_known;
    if (strcmp(names[i], "-") == 0) input_table_scope(table, "stdin");
  }
  if (!is_done) {
    sequence_free(sequence);
    return false;
  }
  if (!is_total_known) sequence->total_bytes = 0;
  *out = (struct source_member){.state = sequence,
                                .next = sequence_next,
                                .fill_done = sequence_fill_done,
                                .progress = sequence_progress,
                                .free = sequence_free};
  return true;
}
