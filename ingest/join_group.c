/* Outcomes that do not name their recipients (Haraka): the recipients that a message was accepted for wait in its entry, as deferrals of
 * which no attempt is known, until a line tells what became of all of one domain.
 *
 *   LINE_ACCEPTED  A1  ann@b.example                      waits
 *   LINE_ACCEPTED  A1  bob@b.example                      waits
 *   LINE_DELIVERY  A1  bob@b.example deferred             the same as ever; bob has an attempt now
 *   LINE_GROUP     A1  delivered "@b.example", 1 of them  ann's
 *   LINE_GROUP     A1  deferred                           all that wait, when they are of one domain: bob's
 *
 * Those without an attempt are meant when their number is right, else all of the domain when theirs is. When neither is right nobody is
 * named: the deliveries have the recipient that the line has, "@b.example" or none, and nobody stops waiting. */
#include "ingest/join_internal.h"

/* Recipients of one message that may wait; what is said of the others is said of their domain. It bounds what a line costs. */
#define WAITING_MAX 1000u

enum choice { CHOICE_NONE, CHOICE_UNTRIED, CHOICE_ALL };

struct waiting {
  unsigned untried_count, count;
  bool has_one_domain;
};

static struct slice domain_of(struct slice address) {
  const char *at = address.len ? memrchr(address.ptr, '@', address.len) : NULL;
  return at ? slice_between(at, address.ptr + address.len) : SLICE("");
}

static struct slice recipient_of(const struct deferral *deferral) {
  struct slice strings[DEFERRED_COUNT];
  deferral_strings(deferral, strings);
  return strings[DEFERRED_RECIPIENT];
}

static bool is_untried(const struct deferral *deferral) { return deferral->lens[DEFERRED_REPLY] == PIECE_ABSENT; }

static bool is_of(const struct deferral *deferral, struct slice domain) {
  return !domain.len || slice_equal_nocase(domain_of(recipient_of(deferral)), domain);
}

static struct waiting count_waiting(const struct entry *entry, struct slice domain) {
  struct waiting waiting = {.has_one_domain = true};
  struct slice first = entry->deferrals ? domain_of(recipient_of(entry->deferrals)) : SLICE("");
  for (const struct deferral *deferral = entry->deferrals; deferral; deferral = deferral->next) {
    if (!is_of(deferral, domain)) continue;
    waiting.count++;
    waiting.untried_count += is_untried(deferral);
    if (!domain.len && !slice_equal_nocase(domain_of(recipient_of(deferral)), first)) waiting.has_one_domain = false;
  }
  return waiting;
}

static enum choice choose(const struct entry *entry, const struct line *line) {
  if (!entry) return CHOICE_NONE;
  struct waiting waiting = count_waiting(entry, line->delivery.recipient);
  unsigned wanted = line->group_count;
  if (!waiting.count || !waiting.has_one_domain) return CHOICE_NONE;
  if (waiting.untried_count && (!wanted || wanted == waiting.untried_count)) return CHOICE_UNTRIED;
  return !wanted || wanted == waiting.count ? CHOICE_ALL : CHOICE_NONE;
}

static void stage(struct join *join, const struct line *line, const struct entry *entry, struct slice recipient,
                  struct delivery_stage *to) {
  if (join->is_replay) return;
  struct line delivery = *line;
  delivery.delivery.recipient = recipient;
  if (!entry || !entry->has_sender) join->counts.orphans++;
  join_fill_delivery(join, &delivery, entry, stage_next(to));
  stage_push(to);
}

void join_take_group(struct join *join, const struct line *line, struct entry *entry, struct delivery_stage *to) {
  enum choice choice = choose(entry, line);
  if (choice == CHOICE_NONE) {
    unsigned count = line->group_count ? line->group_count : 1;
    if (count > WAITING_MAX) count = WAITING_MAX;
    for (unsigned i = 0; i < count; i++) stage(join, line, entry, line->delivery.recipient, to);
    return;
  }
  struct slice domain = line->delivery.recipient;
  for (struct deferral *deferral = entry->deferrals, *next; deferral; deferral = next) {
    next = deferral->next;
    if (!is_of(deferral, domain) || (choice == CHOICE_UNTRIED && !is_untried(deferral))) continue;
    struct slice recipient = recipient_of(deferral);
    /* What was removed is kept until the stage is done with it. */
    if (line->delivery.status != STATUS_deferred) deferral_remove(join, deferral);
    stage(join, line, entry, recipient, to);
  }
  if (line->delivery.status != STATUS_deferred && !entry->deferrals) entry_close(join, entry);
}

void join_take_accepted(struct join *join, const struct line *line, struct entry *entry) {
  struct slice recipient = line->delivery.recipient;
  if (!entry || entry->deferral_count >= WAITING_MAX || deferral_find(entry, recipient, SLICE_ABSENT)) return;
  const struct slice strings[DEFERRED_COUNT] = {[DEFERRED_RECIPIENT] = recipient};
  deferral_put(join, entry, NULL, strings, DELAY_ABSENT, 0);
}
