/* What becomes of the lines that a worker could not parse: a few are shown in the program's log, all become records for the dead-letter
 * target if there is one. Records gather in memory and are written many at once:
 *
 *   {"input":"/var/log/mail.log","position":81920,"reason":"body","line":"Nov 24 ...","bytes":"Tm92IDI0..."}
 *
 * `bytes` (Base64) is there when the line is not UTF-8, for which `line` has U+FFFD; the line is recoverable in every case. */
#ifndef TOOLS_UNPARSED_H
#define TOOLS_UNPARSED_H

#include "ingest/ingest.h"

/* Samples in the log: so many at once, then one each period. */
#define SAMPLES_AT_ONCE 5u
#define SAMPLE_PERIOD_US (10 * 1000000LL)
#define SAMPLE_BYTES 400u

/* How many samples may be logged now. Zeroed: full at the first refill. */
struct sample_budget {
  unsigned count;
  int64_t refilled_at_us; /* 0: never */
};
/* Called before a batch with the monotonic clock. */
void sample_budget_refill(struct sample_budget *budget, int64_t now_us);

struct unparsed_sample {
  enum unparsed_reason reason;
  uint64_t place;
  size_t len; /* of the text; the line may be longer */
  char text[SAMPLE_BYTES];
};

/* Of one worker. Zeroed: empty. */
struct unparsed {
  struct dead_letters *dead_letters; /* NULL: none */
  const struct source *source;
  uint32_t input; /* of the batch in work */
  struct buf records;
  uint64_t dead_letter_count;
  unsigned sample_count, sample_max;
  struct unparsed_sample samples[SAMPLES_AT_ONCE];
};

void unparsed_deinit(struct unparsed *unparsed);

/* Before a chunk of a batch of `input` is parsed; at most `sample_max` samples are kept of it. */
void unparsed_begin(struct unparsed *unparsed, const struct source *source, uint32_t input, unsigned sample_max);

/* parser->when_unparsed, with the struct as its context. Writes only when very much has gathered. */
void unparsed_take(void *context, struct slice line, enum unparsed_reason reason, uint64_t position);

/* One record, ended by '\n', to the end of `out`. */
void unparsed_write_record(struct slice input, uint64_t place, enum unparsed_reason reason, struct slice line, struct buf *out);

/* Gives the target what has gathered. */
void unparsed_flush(struct unparsed *unparsed);

/* Logs samples of the batch as far as the budget goes. */
void unparsed_log_samples(struct unparsed *unparsed, struct sample_budget *budget);

#endif
