/* Samples and records of lines that could not be parsed. See unparsed.h. */
#include "tools/unparsed.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"

/* Written when there is as much; a record is at most some seven times its line. */
#define RECORDS_BYTES (256u << 10)

void sample_budget_refill(struct sample_budget *budget, int64_t now_us) {
  if (!budget->refilled_at_us) {
    *budget = (struct sample_budget){SAMPLES_AT_ONCE, now_us};
    return;
  }
  int64_t more = (now_us - budget->refilled_at_us) / SAMPLE_PERIOD_US;
  if (more <= 0) return;
  budget->count = more < SAMPLES_AT_ONCE - budget->count ? budget->count + (unsigned)more : SAMPLES_AT_ONCE;
  budget->refilled_at_us += more * SAMPLE_PERIOD_US;
}

void unparsed_deinit(struct unparsed *unparsed) { buf_deinit(&unparsed->records); }

void unparsed_begin(struct unparsed *unparsed, const struct source *source, uint32_t input, unsigned sample_max) {
  unparsed->source = source;
  unparsed->input = input;
  unparsed->sample_count = 0;
  unparsed->sample_max = sample_max;
}

/* RFC 4648, with padding. */
static void append_base64(struct buf *out, struct slice bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
  out->len += (bytes.len + 2) / 3 * 4;
  const unsigned char *p = (const unsigned char *)bytes.ptr;
  for (size_t left = bytes.len; left; p += 3, to += 4) {
    uint32_t group = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
    to[0] = digits[group >> 18];
    to[1] = digits[group >> 12 & 63];
    to[2] = left > 1 ? digits[group >> 6 & 63] : '=';
    to[3] = left > 2 ? digits[group & 63] : '=';
    left -= left < 3 ? left : 3;
  }
}

void unparsed_write_record(struct slice input, uint64_t place, enum unparsed_reason reason, struct slice line, struct buf *out) {
  buf_append_slice(out, SLICE("{\"input\":"));
  json_write_string(out, input);
  buf_printf(out, ",\"position\":%" PRIu64 ",\"reason\":\"%.*s\",\"line\":", place, SLICE_ARG(unparsed_reason_name(reason)));
  json_write_string(out, line);
  if (!utf8_is_valid(line)) {
    buf_append_slice(out, SLICE(",\"bytes\":\""));
    append_base64(out, line);
    buf_append_byte(out, '"');
  }
  buf_append_slice(out, SLICE("}\n"));
}

static void keep_sample(struct unparsed *unparsed, struct slice line, enum unparsed_reason reason, uint64_t place) {
  struct unparsed_sample *sample = &unparsed->samples[unparsed->sample_count++];
  sample->reason = reason;
  sample->place = place;
  sample->len = line.len < SAMPLE_BYTES ? line.len : SAMPLE_BYTES;
  memcpy(sample->text, line.ptr, sample->len);
}

void unparsed_take(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct unparsed *unparsed = context;
  bool is_sample = unparsed->sample_count < unparsed->sample_max;
  if (!is_sample && !unparsed->dead_letters) return;
  uint64_t place = source_place(unparsed->source, unparsed->input, position);
  if (is_sample) keep_sample(unparsed, line, reason, place);
  if (!unparsed->dead_letters) return;
  unparsed_write_record(source_input_name(unparsed->source, unparsed->input), place, reason, line, &unparsed->records);
  unparsed->dead_letter_count++;
  if (unparsed->records.len >= RECORDS_BYTES) unparsed_flush(unparsed);
}

void unparsed_flush(struct unparsed *unparsed) {
  if (unparsed->dead_letters) dead_letters_write(unparsed->dead_letters, buf_slice(&unparsed->records));
  buf_clear(&unparsed->records);
}

void unparsed_log_samples(struct unparsed *unparsed, struct sample_budget *budget) {
  for (unsigned i = 0; i < unparsed->sample_count && budget->count; i++, budget->count--) {
    const struct unparsed_sample *sample = &unparsed->samples[i];
    char input[300], text[4 * SAMPLE_BYTES + 8];
    log_event(LOG_WARNING, "unparsed_line", "input=%s position=%" PRIu64 " reason=%.*s text=%s",
              log_value(input, sizeof input, source_input_name(unparsed->source, unparsed->input)), sample->place,
              SLICE_ARG(unparsed_reason_name(sample->reason)), log_value(text, sizeof text, slice_of(sample->text, sample->len)));
  }
  unparsed->sample_count = 0;
}
