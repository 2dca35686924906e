/* See report_unclassified.h. */
#include "tools/report_unclassified.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "tools/text_layout.h"

static size_t format_time(uint64_t time_s, char *text) { return clock_format_rfc3339((int64_t)time_s * US_PER_SECOND, text); }

/* To the minute: "2026-11-24 08:15". */
static void append_minute(struct buf *out, uint64_t time_s) {
  char text[32];
  format_time(time_s, text);
  text[10] = ' ';
  buf_append(out, text, 16);
}

static void append_reply(const struct unclassified *list, const struct unclassified_reply *reply, struct buf *out) {
  text_append_count(out, reply->count, 12);
  text_append_percent(out, reply->count, list->refusals, 9);
  buf_append(out, "  ", 2);
  append_minute(out, reply->first_time_s);
  buf_append(out, " to ", 4);
  append_minute(out, reply->last_time_s);
  buf_append(out, "  ", 2);
  text_append_cut(out, reply->provider.len ? reply->provider : SLICE("-"), 20);
  buf_append_byte(out, '\n');
  text_append_paragraph(out, SLICE("form"), reply->template, 3, 12);
  text_append_paragraph(out, SLICE("said"), reply->example, 3, 12);
}

void report_unclassified_write_text(const struct unclassified *list, size_t top, struct buf *out) {
  buf_append_slice(out, SLICE("UNCLASSIFIED  "));
  text_append_count(out, list->total, 0);
  buf_append_slice(out, SLICE(" of "));
  text_append_count(out, list->refusals, 0);
  buf_append_slice(out, SLICE(" refusals ("));
  text_append_percent(out, list->total, list->refusals, 0);
  buf_printf(out, "), in %zu forms\n", list->count);
  if (list->count) buf_append_slice(out, SLICE("\n       count    share  first and last (UTC)                  provider\n"));
  for (size_t i = 0; i < list->count && i < top; i++) append_reply(list, &list->replies[i], out);
  if (list->count > top) buf_printf(out, "  and %zu more; --top shows more, --json all\n", list->count - top);
  if (list->count) buf_append_slice(out, SLICE("\n'bouncemill rules suggest' proposes rules for them\n"));
  if (list->damaged_segments)
    buf_printf(out, "\n%zu damaged segments were left out; see 'bouncemill doctor'\n", list->damaged_segments);
}

static void write_time(struct buf *out, const char *name, uint64_t time_s) {
  char text[32];
  buf_printf(out, ",\"%s\":", name);
  json_write_string(out, slice_of(text, format_time(time_s, text)));
}

static void write_share(struct buf *out, uint64_t part, uint64_t whole) {
  struct rate rate = {.numerator = part, .denominator = whole};
  buf_append_slice(out, SLICE(",\"share\":"));
  rate_write_json(&rate, out);
}

void report_unclassified_write_json(const struct unclassified *list, size_t top, struct buf *out) {
  buf_printf(out, "{\"refusals\":%" PRIu64 ",\"unclassified\":%" PRIu64, list->refusals, list->total);
  write_share(out, list->total, list->refusals);
  buf_printf(out, ",\"damaged_segments\":%zu,\n\"replies\":[", list->damaged_segments);
  for (size_t i = 0; i < list->count && i < top; i++) {
    const struct unclassified_reply *reply = &list->replies[i];
    buf_printf(out, "%s\n{\"count\":%" PRIu64, i ? "," : "", reply->count);
    write_share(out, reply->count, list->refusals);
    write_time(out, "first_time", reply->first_time_s);
    write_time(out, "last_time", reply->last_time_s);
    buf_append_slice(out, SLICE(",\"provider\":"));
    json_write_string(out, reply->provider);
    buf_append_slice(out, SLICE(",\"template\":"));
    json_write_string(out, reply->template);
    buf_append_slice(out, SLICE(",\"example\":"));
    json_write_string(out, reply->example);
    buf_append_byte(out, '}');
  }
  buf_append_slice(out, SLICE("]}\n"));
}
