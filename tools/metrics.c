/* Counts as text. See metrics.h. */
#include "tools/metrics.h"

#include <inttypes.h>

#include "base/clock.h"

static void begin(struct buf *out, const char *name, const char *type, const char *help) {
  buf_printf(out, "# HELP bouncemill_%s %s\n# TYPE bouncemill_%s %s\n", name, help, name, type);
}

static void write_one(struct buf *out, const char *name, const char *type, const char *help, uint64_t value) {
  begin(out, name, type, help);
  buf_printf(out, "bouncemill_%s %" PRIu64 "\n", name, value);
}

static void write_seconds(struct buf *out, const char *name, const char *help, int64_t value_us) {
  begin(out, name, "counter", help);
  buf_printf(out, "bouncemill_%s %.6f\n", name, (double)value_us / 1e6);
}

/* With a label whose value needs no escaping. */
static void write_labelled(struct buf *out, const char *name, const char *label, struct slice text, uint64_t value) {
  buf_printf(out, "bouncemill_%s{%s=\"%.*s\"} %" PRIu64 "\n", name, label, SLICE_ARG(text), value);
}

static void write_lines(struct buf *out, const struct line_counts *lines) {
  write_one(out, "lines_read_total", "counter", "Lines read, those read again after a restart too.", lines->lines);
  write_one(out, "bytes_read_total", "counter", "Bytes of the lines read.", lines->bytes);
  begin(out, "lines_total", "counter", "What became of the lines read; the sum is bouncemill_lines_read_total.");
  buf_printf(out, "bouncemill_lines_total{result=\"delivery\",kind=\"\"} %" PRIu64 "\n", lines->delivery);
  buf_printf(out, "bouncemill_lines_total{result=\"info\",kind=\"\"} %" PRIu64 "\n", lines->info);
  for (unsigned i = 0; i < NOISE_COUNT; i++)
    buf_printf(out, "bouncemill_lines_total{result=\"noise\",kind=\"%.*s\"} %" PRIu64 "\n", SLICE_ARG(noise_name(i)),
               lines->noise[i]);
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++)
    buf_printf(out, "bouncemill_lines_total{result=\"unparsed\",kind=\"%.*s\"} %" PRIu64 "\n", SLICE_ARG(unparsed_reason_name(i)),
               lines->unparsed[i]);
  write_one(out, "unwrapped_lines_total", "counter", "Lines that were in an envelope.", lines->unwrapped);
}

static void write_deliveries(struct buf *out, const struct pipeline_summary *summary) {
  begin(out, "deliveries_total", "counter", "Deliveries counted into the store, by status.");
  for (unsigned i = 0; i < STATUS_COUNT; i++)
    write_labelled(out, "deliveries_total", "status", status_name(i), summary->deliveries_by_status[i]);
  write_one(out, "replies_total", "counter", "Replies classified.", summary->classify.replies);
  write_one(out, "replies_unclassified_total", "counter", "Replies that no rule and no code decided.",
            summary->classify.unclassified);
  const uint64_t *by_status = summary->deliveries_by_status;
  uint64_t failures =
      by_status[STATUS_deferred] + by_status[STATUS_bounced] + by_status[STATUS_expired] + by_status[STATUS_rejected];
  begin(out, "unclassified_ratio", "gauge", "Share of what was deferred, bounced, expired or rejected that is unclassified.");
  double share = failures ? (double)summary->classify.unclassified / (double)failures : 0;
  buf_printf(out, "bouncemill_unclassified_ratio %.6f\n", share > 1 ? 1 : share);
  write_one(out, "reply_cache_hits_total", "counter", "Replies whose verdict was remembered.", summary->classify.cache_hits);
  write_one(out, "open_messages", "gauge", "Messages whose end is not seen yet.", summary->join.open);
  write_one(out, "orphans_total", "counter", "Deliveries whose sender was not seen.", summary->join.orphans);
  begin(out, "forgotten_messages_total", "counter", "Open messages forgotten, by why.");
  write_labelled(out, "forgotten_messages_total", "reason", SLICE("memory"), summary->join.forgotten_memory);
  write_labelled(out, "forgotten_messages_total", "reason", SLICE("age"), summary->join.forgotten_age);
}

static void write_store(struct buf *out, const struct pipeline_summary *summary) {
  write_one(out, "flushes_total", "counter", "Commits of the store.", summary->flushes);
  write_seconds(out, "flush_write_seconds_total", "Time spent in writing segments.", summary->write_us);
  write_seconds(out, "flush_commit_seconds_total", "Time spent in commits, which run beside the reading.", summary->commit_us);
  write_one(out, "table_bytes", "gauge", "Memory of the counts that are not written yet.", summary->table_bytes);
  write_one(out, "store_blocked", "gauge", "1 while the store cannot be written and nothing is read.", summary->store_is_blocked);
  write_one(out, "store_failed_tries_total", "counter", "Tries to write and commit that failed.", summary->store_failed_tries);
  write_one(out, "dead_letters_total", "counter", "Unparsed lines given to their target.", summary->dead_letters);
}

static void write_rules(struct buf *out, const struct pipeline_summary *summary) {
  write_one(out, "rules", "gauge", "Rules in force.", summary->rules);
  write_one(out, "rules_loaded_timestamp_seconds", "gauge", "When they were loaded.",
            (uint64_t)(summary->rules_loaded_at_us / US_PER_SECOND));
  begin(out, "rules_reloads_total", "counter", "Reloads of the rules: loaded, or wrong, so that the old ones were kept.");
  write_labelled(out, "rules_reloads_total", "result", SLICE("loaded"), summary->rule_reloads);
  write_labelled(out, "rules_reloads_total", "result", SLICE("kept"), summary->rule_reloads_failed);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------------------- */

/* What Prometheus escapes in a label is escaped; what is not printable ASCII is a '?': a path may hold anything. */
static void write_input(struct buf *out, const char *name, struct slice input, uint64_t value) {
  buf_printf(out, "bouncemill_%s{input=\"", name);
  for (size_t i = 0; i < input.len; i++) {
    char c = input.ptr[i];
    if (c == '"' || c == '\\') buf_append_byte(out, '\\');
    buf_append_byte(out, c < ' ' || c > '~' ? '?' : c);
  }
  buf_printf(out, "\"} %" PRIu64 "\n", value);
}

static void write_inputs(struct buf *out, const struct pipeline *pipeline) {
  size_t count = pipeline_input_count(pipeline);
  if (count > METRICS_INPUTS_MAX) count = METRICS_INPUTS_MAX;
  struct pipeline_input input;
  begin(out, "input_read_position", "gauge", "How far an input is read: the byte of a file, the offset of a partition.");
  for (size_t i = 0; i < count; i++)
    if (pipeline_describe_input(pipeline, i, &input)) write_input(out, "input_read_position", input.name, input.read);
  begin(out, "input_committed_position", "gauge", "How far an input is in the store.");
  for (size_t i = 0; i < count; i++)
    if (pipeline_describe_input(pipeline, i, &input)) write_input(out, "input_committed_position", input.name, input.committed);
  begin(out, "input_lag_messages", "gauge", "Messages of a partition that are not read yet, as far as the brokers told.");
  for (size_t i = 0; i < count; i++)
    if (pipeline_describe_input(pipeline, i, &input) && input.has_lag)
      write_input(out, "input_lag_messages", input.name, input.lag_messages);
}

void metrics_write(const struct pipeline *pipeline, struct buf *out) {
  struct pipeline_summary summary;
  pipeline_summarize(pipeline, &summary);
  begin(out, "build_info", "gauge", "The version.");
  buf_printf(out, "bouncemill_build_info{version=\"%s\"} 1\n", BOUNCEMILL_VERSION);
  write_lines(out, &summary.lines);
  write_deliveries(out, &summary);
  write_rules(out, &summary);
  write_store(out, &summary);
  write_inputs(out, pipeline);
}
