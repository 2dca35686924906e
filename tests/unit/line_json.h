/* A parsed line as one JSON object, absent fields left out: what tests/data/postfix/NAME.expected.ndjson holds. */
#ifndef TESTS_LINE_JSON_H
#define TESTS_LINE_JSON_H

#include "base/clock.h"
#include "base/json.h"
#include "ingest/ingest.h"

static inline void line_json_str(struct buf *out, const char *name, struct slice value) {
  if (slice_is_absent(value)) return;
  buf_printf(out, ",\"%s\":", name);
  json_write_string(out, value);
}

static inline void line_json_number(struct buf *out, const char *name, double value) {
  buf_printf(out, ",\"%s\":", name);
  json_write_double(out, value);
}

static inline void line_json_delivery(struct buf *out, const struct line *line) {
  line_json_str(out, "recipient", line->delivery.recipient);
  line_json_str(out, "orig_recipient", line->delivery.orig_recipient);
  line_json_str(out, "relay_host", line->delivery.relay_host);
  line_json_str(out, "relay_ip", line->delivery.relay_ip);
  line_json_str(out, "source_ip", line->delivery.source_ip);
  line_json_str(out, "status", status_name(line->delivery.status));
  line_json_str(out, "dsn", line->delivery.dsn);
  if (line->delivery.smtp_code) line_json_number(out, "smtp_code", line->delivery.smtp_code);
  line_json_str(out, "stage", line->delivery.stage);
  line_json_str(out, "reply", line->delivery.reply);
  if (line->delivery.is_put_off) buf_printf(out, ",\"put_off\":true");
  if (line->delivery.delay_us >= 0) line_json_number(out, "delay_s", (double)line->delivery.delay_us / 1e6);
}

static inline void line_json_reject(struct buf *out, const struct line *line) {
  line_json_str(out, "sender", line->reject.sender);
  line_json_str(out, "recipient", line->reject.recipient);
  line_json_str(out, "client_host", line->reject.client_host);
  line_json_str(out, "client_ip", line->reject.client_ip);
  line_json_str(out, "dsn", line->reject.dsn);
  if (line->reject.smtp_code) line_json_number(out, "smtp_code", line->reject.smtp_code);
  line_json_str(out, "stage", line->reject.stage);
  line_json_str(out, "reply", line->reject.reply);
}

static inline void line_json_facts(struct buf *out, const struct line *line) {
  line_json_str(out, "sender", line->facts.sender);
  line_json_str(out, "message_id", line->facts.message_id);
  line_json_str(out, "client_host", line->facts.client_host);
  line_json_str(out, "client_ip", line->facts.client_ip);
  line_json_str(out, "source_ip", line->facts.source_ip);
  if (line->facts.size_bytes != U64_ABSENT) line_json_number(out, "size", (double)line->facts.size_bytes);
  if (line->kind == LINE_ARRIVED && line->facts.recipient_count)
    line_json_number(out, "recipient_count", line->facts.recipient_count);
}

static inline void line_json_write(struct buf *out, const struct line *line) {
  static const char *const kinds[] = {"client",  "message_id", "sender",  "delivery", "reject",   "expired", "removed", "arrived",
                                      "counted", "settled",    "started", "result",   "accepted", "group",   "facts",   "record"};
  char time[32];
  buf_printf(out, "{\"kind\":\"%s\"", kinds[line->kind]);
  line_json_str(out, "time", slice_of(time, clock_format_rfc3339(line->time_us, time)));
  line_json_str(out, "host", line->host);
  line_json_str(out, "instance", line->instance);
  line_json_str(out, "service", line->service);
  line_json_str(out, "queue_id", line->queue_id);
  if (line->kind == LINE_GROUP && line->group_count) line_json_number(out, "group_count", line->group_count);
  if (line->times != 1) line_json_number(out, "times", line->times);
  if (line->kind == LINE_CLIENT) {
    line_json_str(out, "client_host", line->client.host);
    line_json_str(out, "client_ip", line->client.ip);
  } else if (line->kind == LINE_MESSAGE_ID) {
    line_json_str(out, "message_id", line->message_id);
  } else if (line->kind == LINE_SENDER) {
    line_json_str(out, "sender", line->sender.address);
    if (line->sender.size_bytes != U64_ABSENT) line_json_number(out, "size", (double)line->sender.size_bytes);
  } else if (line->kind == LINE_ACCEPTED) {
    line_json_str(out, "recipient", line->delivery.recipient);
  } else if (line->kind == LINE_STARTED) {
    line_json_str(out, "of", line->started.queue_id);
    line_json_str(out, "recipient", line->started.recipient);
    line_json_str(out, "by", line->started.service);
  } else if (line->kind == LINE_DELIVERY || line->kind == LINE_COUNTED || line->kind == LINE_RECORD || line->kind == LINE_RESULT ||
             line->kind == LINE_GROUP) {
    line_json_delivery(out, line);
  } else if (line->kind == LINE_REJECT) {
    line_json_reject(out, line);
  } else if (line->kind == LINE_SETTLED) {
    line_json_number(out, "settled_count", line->settled_count);
  } else if (line->kind == LINE_FACTS || line->kind == LINE_ARRIVED) {
    line_json_facts(out, line);
  }
  buf_append(out, "}", 1);
}

#endif
