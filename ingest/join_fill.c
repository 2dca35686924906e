/* Fills a delivery from its line and from what is known of its message. The strings are those of the line and of the entry: nothing
 * is copied. */
#include "ingest/join_internal.h"

/* What every delivery has from its line and its message. */
static void fill_common(struct join *join, const struct line *line, const struct entry *entry, struct slice service,
                        struct delivery *out) {
  out->line = U64_ABSENT;
  out->time_us = line->time_us;
  out->host = line->host;
  out->instance = line->instance;
  out->service = service;
  out->queue_id = line->queue_id;
  out->source_ip = join->source_cache ? source_of(join, line->host, line->instance, service) : SLICE_ABSENT;
  out->message_id = entry ? entry_string(entry, JOINED_MESSAGE_ID) : SLICE_ABSENT;
  out->sender = entry ? entry_string(entry, JOINED_SENDER) : SLICE_ABSENT;
  out->client_host = entry ? entry_string(entry, JOINED_CLIENT_HOST) : SLICE_ABSENT;
  out->client_ip = entry ? entry_string(entry, JOINED_CLIENT_IP) : SLICE_ABSENT;
  out->size_bytes = entry ? entry->size_bytes : U64_ABSENT;
}

/* The delay that the line tells; where it tells none and the arrival was seen, the time since then. */
static int64_t delay_of(const struct line *line, const struct entry *entry, int64_t told_us) {
  bool is_arrival_known = entry && entry->has_client && line->time_us >= entry->first_time_us;
  return told_us == DELAY_ABSENT && is_arrival_known ? line->time_us - entry->first_time_us : told_us;
}

void join_fill_delivery(struct join *join, const struct line *line, const struct entry *entry, struct delivery *out) {
  fill_common(join, line, entry, line->service, out);
  if (!slice_is_absent(line->delivery.source_ip)) out->source_ip = line->delivery.source_ip;
  out->direction = DIRECTION_out;
  out->status = line->delivery.status;
  out->recipient = line->delivery.recipient;
  out->orig_recipient = line->delivery.orig_recipient;
  out->relay_host = line->delivery.relay_host;
  out->relay_ip = line->delivery.relay_ip;
  out->dsn = line->delivery.dsn;
  out->smtp_code = line->delivery.smtp_code;
  out->stage = line->delivery.stage;
  out->reply = line->delivery.reply;
  out->delay_us = delay_of(line, entry, line->delivery.delay_us);
}

void join_fill_expired(struct join *join, const struct line *line, const struct deferral *deferral, struct delivery *out) {
  struct slice strings[DEFERRED_COUNT];
  deferral_strings(deferral, strings);
  fill_common(join, line, deferral->entry, strings[DEFERRED_SERVICE], out);
  out->direction = DIRECTION_out;
  out->status = STATUS_expired;
  out->recipient = strings[DEFERRED_RECIPIENT];
  out->orig_recipient = strings[DEFERRED_ORIG_RECIPIENT];
  out->relay_host = strings[DEFERRED_RELAY_HOST];
  out->relay_ip = strings[DEFERRED_RELAY_IP];
  out->dsn = strings[DEFERRED_DSN];
  out->smtp_code = deferral->smtp_code;
  out->stage = strings[DEFERRED_STAGE];
  out->reply = strings[DEFERRED_REPLY];
  out->delay_us = delay_of(line, deferral->entry, deferral->delay_us);
}

void join_fill_rejected(struct join *join, const struct line *line, const struct entry *entry, struct delivery *out) {
  fill_common(join, line, entry, line->service, out);
  out->direction = DIRECTION_in;
  out->status = STATUS_rejected;
  if (!slice_is_absent(line->reject.sender)) out->sender = line->reject.sender;
  if (!slice_is_absent(line->reject.client_host)) out->client_host = line->reject.client_host;
  if (!slice_is_absent(line->reject.client_ip)) out->client_ip = line->reject.client_ip;
  out->recipient = line->reject.recipient;
  out->orig_recipient = out->relay_host = out->relay_ip = SLICE_ABSENT;
  out->dsn = line->reject.dsn;
  out->smtp_code = line->reject.smtp_code;
  out->stage = line->reject.stage;
  out->reply = line->reject.reply;
  out->delay_us = DELAY_ABSENT;
}
