/* Counts deliveries into the live tables.
 *
 * A table is larger than the caches, so each delivery waits for memory several times: slot of each string, the string, slot of
 * the row, the row, its block. A stage of 64 deliveries goes through these steps together; each step touches what the one before
 * asked for, so the waits of 64 deliveries overlap. */
#include "aggregate/aggregator.h"

#include <assert.h>
#include <stdlib.h>

#include "aggregate/domain.h"
#include "aggregate/mask.h"
#include "aggregate/recipient_name.h"
#include "aggregate/recipients_table.h"
#include "aggregate/relays_table.h"
#include "aggregate/replies_table.h"
#include "aggregate/senders_table.h"
#include "aggregate/traffic_table.h"
#include "base/clock.h"
#include "base/json.h"

/* The strings of a delivery that become parts of keys. */
enum key_string {
  KEY_SOURCE,
  KEY_SENDER,
  KEY_RECIPIENT,
  KEY_PROVIDER,
  KEY_BLOCKLIST,
  KEY_LAST_CAUSE,
  KEY_RELAY_HOST,
  KEY_RELAY_IP,
  KEY_STRING_COUNT
};

struct stage_string {
  struct slice text;
  uint64_t hash;
  uint32_t candidate;
};

/* One delivery on its way through the steps. */
struct stage_item {
  struct stage_string strings[KEY_STRING_COUNT];
  struct traffic_key traffic;
  struct relays_key relay;
  uint64_t traffic_hash, relay_hash;
  uint32_t traffic_row;
  bool has_sender; /* to count for the sender: outgoing, with a recipient */
  struct senders_key sender;
  uint64_t sender_hash, recipient_hash;
  uint32_t sender_row;
};

struct aggregator {
  struct interner strings;
  struct traffic_table traffic;
  struct row_table relays;
  struct row_table replies;
  struct senders_table senders;
  struct row_table recipients;
  struct recipient_namer namer;
  struct stage_item stage[LIMIT_STAGE];
  char scratch[LIMIT_STAGE][KEY_STRING_COUNT][DOMAIN_SCRATCH_BYTES];
};

struct aggregator *aggregator_new(void) {
  struct aggregator *a = memory_zeroed(sizeof *a);
  interner_init(&a->strings);
  traffic_table_init(&a->traffic);
  relays_table_init(&a->relays);
  replies_table_init(&a->replies);
  senders_table_init(&a->senders);
  recipients_table_init(&a->recipients);
  return a;
}

void aggregator_free(struct aggregator *a) {
  if (!a) return;
  interner_deinit(&a->strings);
  traffic_table_deinit(&a->traffic);
  row_table_deinit(&a->relays);
  row_table_deinit(&a->replies);
  senders_table_deinit(&a->senders);
  row_table_deinit(&a->recipients);
  free(a);
}

void aggregator_empty(struct aggregator *a) {
  interner_empty(&a->strings);
  traffic_table_empty(&a->traffic);
  row_table_empty(&a->relays);
  row_table_empty(&a->replies);
  senders_table_empty(&a->senders);
  row_table_empty(&a->recipients);
}

void aggregator_keep_recipients(struct aggregator *a, const struct recipient_options *options) {
  recipient_namer_init(&a->namer, options);
}

/* ---- counting --------------------------------------------------------------------------------------------------------------- */

/* Rows have no times before 1970; such lines do not leave ingest/. */
static uint64_t seconds_of(int64_t time_us) { return time_us < 0 ? 0 : (uint64_t)(time_us / US_PER_SECOND); }

static void read_strings(struct aggregator *a, size_t i, const struct delivery *delivery, const struct verdict *verdict) {
  char(*scratch)[DOMAIN_SCRATCH_BYTES] = a->scratch[i];
  struct stage_string *strings = a->stage[i].strings;
  bool has_relay = delivery->direction == DIRECTION_out;
  strings[KEY_SOURCE].text = key_clean(delivery->source_ip, scratch[KEY_SOURCE]);
  strings[KEY_SENDER].text = domain_of_address(delivery->sender, scratch[KEY_SENDER]);
  strings[KEY_RECIPIENT].text = domain_of_address(delivery->recipient, scratch[KEY_RECIPIENT]);
  strings[KEY_PROVIDER].text = key_clean(verdict->provider, scratch[KEY_PROVIDER]);
  strings[KEY_BLOCKLIST].text = key_clean(verdict->blocklist, scratch[KEY_BLOCKLIST]);
  strings[KEY_LAST_CAUSE].text = key_clean(verdict->last_cause, scratch[KEY_LAST_CAUSE]);
  strings[KEY_RELAY_HOST].text = has_relay ? domain_normalise(delivery->relay_host, scratch[KEY_RELAY_HOST]) : SLICE_ABSENT;
  strings[KEY_RELAY_IP].text = has_relay ? key_clean(delivery->relay_ip, scratch[KEY_RELAY_IP]) : SLICE_ABSENT;
  for (size_t k = 0; k < KEY_STRING_COUNT; k++) {
    if (!strings[k].text.len) continue;
    strings[k].hash = interner_hash(&a->strings, strings[k].text);
    slot_prefetch(&a->strings.table, strings[k].hash);
  }
}

static void find_candidates(const struct aggregator *a, struct stage_item *item) {
  for (size_t k = 0; k < KEY_STRING_COUNT; k++) {
    struct stage_string *string = &item->strings[k];
    string->candidate = string->text.len ? interner_candidate(&a->strings, string->hash) : SLOT_NONE;
  }
}

static void prefetch_candidates(const struct aggregator *a, const struct stage_item *item) {
  for (size_t k = 0; k < KEY_STRING_COUNT; k++)
    if (item->strings[k].candidate != SLOT_NONE) interner_prefetch(&a->strings, item->strings[k].candidate);
}

static uint32_t intern(struct aggregator *a, const struct stage_item *item, enum key_string k) {
  const struct stage_string *string = &item->strings[k];
  if (!string->text.len) return INTERNER_EMPTY;
  if (string->candidate != SLOT_NONE && interner_is(&a->strings, string->candidate, string->text)) return string->candidate;
  return interner_intern(&a->strings, string->text, string->hash);
}

static void make_sender_key(const struct aggregator *a, struct stage_item *item, const struct delivery *delivery,
                            const struct verdict *verdict) {
  item->sender = (struct senders_key){
      .sender = item->traffic.sender,
      .hour = (uint32_t)(seconds_of(delivery->time_us) / 3600),
      .outcome = verdict->outcome,
  };
  item->sender_hash = senders_key_hash(&item->sender);
  item->recipient_hash = recipient_hash(delivery->recipient);
  senders_table_prefetch_slot(&a->senders, item->sender_hash);
}

static void make_keys(struct aggregator *a, struct stage_item *item, const struct delivery *delivery,
                      const struct verdict *verdict) {
  struct traffic_facet facet = {
      .source = intern(a, item, KEY_SOURCE),
      .blocklist = intern(a, item, KEY_BLOCKLIST),
      .last_cause = intern(a, item, KEY_LAST_CAUSE),
      .words = TRAFFIC_WORDS(delivery->direction, delivery->status, verdict->outcome, verdict->cause),
  };
  uint32_t minute = (uint32_t)(seconds_of(delivery->time_us) / 60), provider = intern(a, item, KEY_PROVIDER);
  item->traffic = (struct traffic_key){
      .minute = minute,
      .sender = intern(a, item, KEY_SENDER),
      .recipient = intern(a, item, KEY_RECIPIENT),
      .provider = provider,
      .facet = traffic_table_facet(&a->traffic, &facet),
  };
  item->traffic_hash = traffic_key_hash(&item->traffic);
  traffic_table_prefetch_slot(&a->traffic, item->traffic_hash);
  item->has_sender = delivery->direction == DIRECTION_out && delivery->recipient.len;
  if (item->has_sender) make_sender_key(a, item, delivery, verdict);
  if (delivery->direction != DIRECTION_out) return;
  item->relay = (struct relays_key){
      .minute = minute,
      .provider = provider,
      .host = intern(a, item, KEY_RELAY_HOST),
      .ip = intern(a, item, KEY_RELAY_IP),
      .words = RELAYS_WORDS(delivery->status, verdict->cause),
  };
  item->relay_hash = relays_key_hash(&item->relay);
  slot_prefetch(&a->relays.slots, item->relay_hash);
}

/* An expiry repeats the reply of the last attempt, which was counted when it was deferred. */
static bool has_reply_to_count(const struct delivery *delivery, const struct verdict *verdict) {
  if (delivery->status == STATUS_expired) return false;
  return delivery->status != STATUS_delivered || verdict->outcome == OUTCOME_silent;
}

static uint32_t intern_unstaged(struct aggregator *a, struct slice text) {
  return text.len ? interner_intern(&a->strings, text, interner_hash(&a->strings, text)) : INTERNER_EMPTY;
}

/* A template that was cut may end in the midst of what mask_text would know if it were whole ("john at exam"): three words less. */
static struct slice whole_words(struct slice template) {
  if (template.len + 4 <= LIMIT_TEMPLATE_BYTES) return template;
  for (unsigned words = 0; words < 3; words++) {
    while (template.len && template.ptr[template.len - 1] != ' ') template.len--;
    if (template.len) template.len--;
  }
  return template;
}

static void count_reply(struct aggregator *a, const struct stage_item *item, const struct delivery *delivery,
                        const struct verdict *verdict) {
  char rule[DOMAIN_SCRATCH_BYTES], template[LIMIT_TEMPLATE_BYTES], example[LIMIT_TEMPLATE_BYTES];
  uint64_t time_s = seconds_of(delivery->time_us);
  struct mask_names names = {delivery->recipient, delivery->orig_recipient, delivery->sender};
  struct slice clean_template = slice_of(template, mask_text(whole_words(verdict->template), &names, template));
  struct replies_key key = {
      .hour = (uint32_t)(time_s / 3600),
      .provider = item->traffic.provider,
      .cause = verdict->cause,
      .rule = intern_unstaged(a, key_clean(verdict->rule, rule)),
      .template = intern_unstaged(a, clean_template),
  };
  replies_table_count(&a->replies, &key, time_s, slice_of(example, mask_text(delivery->reply, &names, example)));
}

/* What our own server refused (direction in) says nothing of its recipient's mailbox. */
static void count_recipient(struct aggregator *a, const struct delivery *delivery, const struct verdict *verdict) {
  if (a->namer.naming == RECIPIENTS_OFF || delivery->direction != DIRECTION_out || !delivery->recipient.len) return;
  char name[RECIPIENT_NAME_BYTES];
  uint64_t time_s = seconds_of(delivery->time_us);
  struct recipients_key key = {
      .day = (uint32_t)(time_s / SECONDS_PER_DAY),
      .recipient = intern_unstaged(a, recipient_name(&a->namer, delivery->recipient, name)),
      .words = RECIPIENTS_WORDS(verdict->outcome, verdict->cause),
  };
  recipients_table_count(&a->recipients, &key, time_s);
}

static void count_item(struct aggregator *a, const struct stage_item *item, const struct delivery *delivery,
                       const struct verdict *verdict) {
  uint64_t bytes = delivery->size_bytes == U64_ABSENT ? 0 : delivery->size_bytes;
  traffic_table_count(&a->traffic, item->traffic_row, bytes, delivery->delay_us);
  if (delivery->direction == DIRECTION_out) relays_table_count(&a->relays, &item->relay, item->relay_hash);
  if (has_reply_to_count(delivery, verdict)) count_reply(a, item, delivery, verdict);
  if (item->has_sender) senders_table_count(&a->senders, item->sender_row, item->recipient_hash);
  count_recipient(a, delivery, verdict);
}

void aggregator_add(struct aggregator *a, const struct delivery *deliveries, const struct verdict *verdicts, size_t count) {
  assert(count <= LIMIT_STAGE);
  for (size_t i = 0; i < count; i++) read_strings(a, i, &deliveries[i], &verdicts[i]);
  for (size_t i = 0; i < count; i++) find_candidates(a, &a->stage[i]);
  for (size_t i = 0; i < count; i++) prefetch_candidates(a, &a->stage[i]);
  for (size_t i = 0; i < count; i++) make_keys(a, &a->stage[i], &deliveries[i], &verdicts[i]);
  for (size_t i = 0; i < count; i++) {
    traffic_table_prefetch_row(&a->traffic, a->stage[i].traffic_hash);
    if (a->stage[i].has_sender) senders_table_prefetch_row(&a->senders, a->stage[i].sender_hash);
    if (deliveries[i].direction == DIRECTION_out) row_table_prefetch_row(&a->relays, a->stage[i].relay_hash);
  }
  for (size_t i = 0; i < count; i++) {
    struct stage_item *item = &a->stage[i];
    item->traffic_row = traffic_table_find(&a->traffic, &item->traffic, item->traffic_hash);
    if (item->has_sender)
      item->sender_row = senders_table_find(&a->senders, &item->sender, item->sender_hash, item->recipient_hash);
  }
  for (size_t i = 0; i < count; i++) count_item(a, &a->stage[i], &deliveries[i], &verdicts[i]);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

size_t aggregator_bytes(const struct aggregator *a) {
  return interner_used_bytes(&a->strings) + traffic_table_used_bytes(&a->traffic) + row_table_used_bytes(&a->relays) +
         row_table_used_bytes(&a->replies) + senders_table_used_bytes(&a->senders) + row_table_used_bytes(&a->recipients);
}

size_t aggregator_dataset_rows(const struct aggregator *a, enum dataset_id dataset) {
  switch (dataset) {
    case DATASET_traffic: return a->traffic.rows.count;
    case DATASET_relays: return a->relays.rows.count;
    case DATASET_replies: return a->replies.rows.count;
    case DATASET_senders: return a->senders.table.rows.count;
    case DATASET_recipients: return a->recipients.rows.count;
    case DATASET_COUNT: break;
  }
  return 0;
}

size_t aggregator_rows(const struct aggregator *a) {
  size_t rows = 0;
  for (unsigned dataset = 0; dataset < DATASET_COUNT; dataset++) rows += aggregator_dataset_rows(a, (enum dataset_id)dataset);
  return rows;
}

void aggregator_order_init(const struct aggregator *a, struct row_order *order) {
  uint32_t *ranks = memory_alloc(interner_count(&a->strings) * sizeof *ranks);
  interner_rank(&a->strings, ranks);
  *order = (struct row_order){.strings = &a->strings, .string_ranks = ranks};
  word_ranks_init(&order->words);
}

void aggregator_order_deinit(struct row_order *order) {
  free(order->string_ranks);
  *order = (struct row_order){0};
}

bool aggregator_each_row(const struct aggregator *a, enum dataset_id dataset, const struct row_order *order, row_visit_fn *each,
                         void *context) {
  switch (dataset) {
    case DATASET_traffic: return traffic_table_each(&a->traffic, order, each, context);
    case DATASET_relays: return relays_table_each(&a->relays, order, each, context);
    case DATASET_replies: return replies_table_each(&a->replies, order, each, context);
    case DATASET_senders: return senders_table_each(&a->senders, order, each, context);
    case DATASET_recipients: return recipients_table_each(&a->recipients, order, each, context);
    case DATASET_COUNT: break;
  }
  return true;
}
