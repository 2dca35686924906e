/* Phrases that templates share. See suggest.h. */
#include "tools/suggest.h"

#include <stdlib.h>

#define WORDS_MIN 2
#define WORDS_MAX 8
#define PHRASE_BYTES_MIN 8
#define PHRASE_BYTES_MAX 80
#define TEMPLATE_WORDS_MAX 128
/* Beyond this a longer phrase tells no more: how many replies have it decides. */
#define LONG_PHRASE_BYTES 16

/* Words that change: with a mask in them, names of hosts and URLs. */
static bool ends_run(struct slice word) {
  for (size_t i = 0; i < word.len; i++) {
    char c = word.ptr[i];
    if (c == '<' || c == '*' || c == '/' || c == '@' || (c == '.' && i + 1 < word.len)) return true;
  }
  return false;
}

static bool is_code(struct slice word) {
  for (size_t i = 0; i < word.len; i++)
    if (!ascii_is_digit(word.ptr[i]) && word.ptr[i] != '.' && word.ptr[i] != '-') return false;
  return true;
}

static bool is_mark(char c) { return strchr(".,:;!?()[]\"'", c) != NULL && c; }

/* Words of a template in order; an empty one stands where a phrase may not go on: at codes and masks. */
static size_t split(struct slice template, struct slice *words) {
  size_t count = 0;
  for (size_t at = 0; at < template.len && count < TEMPLATE_WORDS_MAX;) {
    size_t end = at + slice_find_byte(slice_skip(template, at), ' ');
    struct slice word = slice_of(template.ptr + at, end - at);
    if (word.len) words[count++] = ends_run(word) || is_code(word) ? slice_of(word.ptr, 0) : word;
    at = end + 1;
  }
  return count;
}

/* From the first word to the last, without marks at either end. */
static struct slice phrase_of(struct slice first, struct slice last) {
  struct slice phrase = slice_between(first.ptr, last.ptr + last.len);
  while (phrase.len && is_mark(phrase.ptr[0])) phrase = slice_skip(phrase, 1);
  while (phrase.len && is_mark(phrase.ptr[phrase.len - 1])) phrase.len--;
  return phrase;
}

static void count_phrases(const struct unclassified_reply *reply, struct tally *phrases) {
  struct slice words[TEMPLATE_WORDS_MAX];
  size_t count = split(reply->template, words);
  for (size_t first = 0; first < count; first++)
    for (size_t n = 0; n < WORDS_MAX && first + n < count && words[first + n].len; n++) {
      struct slice phrase = phrase_of(words[first], words[first + n]);
      bool is_long = phrase.len >= 2 * PHRASE_BYTES_MIN && (phrase.ptr[0] & 0x80); /* Chinese has no spaces */
      if ((n + 1 < WORDS_MIN && !is_long) || phrase.len < PHRASE_BYTES_MIN || phrase.len > PHRASE_BYTES_MAX) continue;
      tally_get(phrases, phrase)->counters.bounced += reply->count;
    }
}

static bool has_phrase(const struct unclassified_reply *reply, struct slice phrase) {
  return slice_find(reply->template, phrase) < reply->template.len;
}

static double weight_of(const struct tally_entry *entry) {
  size_t len = entry->key.len < LONG_PHRASE_BYTES ? entry->key.len : LONG_PHRASE_BYTES;
  return (double)entry->counters.bounced * (double)len;
}

/* The heaviest phrase that may be a literal; absent when there is none. Refused ones get no weight. */
static struct slice heaviest(struct tally *phrases, const struct suggest_options *options) {
  for (;;) {
    struct tally_entry *best = NULL;
    for (size_t i = 0; i < phrases->count; i++) {
      struct tally_entry *entry = &phrases->entries[i];
      if (!entry->counters.bounced) continue;
      double lead = best ? weight_of(entry) - weight_of(best) : 1;
      if (lead > 0 || (lead == 0 && slice_compare(entry->key, best->key) < 0)) best = entry;
    }
    if (!best) return SLICE_ABSENT;
    if (options->may_be_literal(options->context, best->key)) return best->key;
    best->counters.bounced = 0;
  }
}

/* Takes the replies with `phrase` out of `left`. */
static void take_group(struct suggestion *group, const struct unclassified_reply **left, size_t *count, struct slice phrase) {
  size_t kept = 0;
  group->replies = memory_alloc((*count + 1) * sizeof *group->replies);
  for (size_t i = 0; i < *count; i++) {
    if (!has_phrase(left[i], phrase)) {
      left[kept++] = left[i];
      continue;
    }
    group->replies[group->reply_count++] = left[i];
    group->count += left[i]->count;
  }
  *count = kept;
}

void suggestions_init(struct suggestions *suggestions, const struct unclassified *list, const struct suggest_options *options) {
  size_t left_count = list->count < SUGGEST_TEMPLATES_MAX ? list->count : SUGGEST_TEMPLATES_MAX;
  const struct unclassified_reply **left = memory_alloc((left_count + 1) * sizeof *left);
  for (size_t i = 0; i < left_count; i++) left[i] = &list->replies[i];
  *suggestions = (struct suggestions){.items = memory_zeroed((options->max + 1) * sizeof *suggestions->items)};
  /* Places of the literals stay: no more is ever appended than this. */
  buf_reserve(&suggestions->texts, options->max * PHRASE_BYTES_MAX + 1);
  while (left_count && suggestions->count < options->max) {
    struct tally phrases;
    tally_init(&phrases);
    for (size_t i = 0; i < left_count; i++) count_phrases(left[i], &phrases);
    struct slice phrase = heaviest(&phrases, options);
    struct suggestion *group = &suggestions->items[suggestions->count];
    if (!slice_is_absent(phrase)) {
      group->literal = slice_of(suggestions->texts.ptr + suggestions->texts.len, phrase.len);
      buf_append_slice(&suggestions->texts, phrase);
      take_group(group, left, &left_count, group->literal);
      suggestions->count++;
    }
    tally_deinit(&phrases);
    if (slice_is_absent(phrase)) break;
  }
  free(left);
}

void suggestions_deinit(struct suggestions *suggestions) {
  for (size_t i = 0; i < suggestions->count; i++) free(suggestions->items[i].replies);
  free(suggestions->items);
  buf_deinit(&suggestions->texts);
}
