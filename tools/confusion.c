/* Counts labels against verdicts. See confusion.h. */
#include "tools/confusion.h"

#include "base/json.h"
#include "tools/text_layout.h"

struct confusion {
  size_t causes[CAUSE_COUNT][CAUSE_COUNT];      /* labelled, given */
  size_t classes[OUTCOME_COUNT][OUTCOME_COUNT]; /* likewise */
  size_t rows, class_rows;                      /* rows with a labelled class */
  size_t counts[CONFUSION_SHARE_COUNT];
  struct buf wrong_text, wrong_json; /* rows that differ, a line each; JSON with commas between */
};

struct confusion *confusion_new(void) {
  return memory_zeroed(sizeof(struct confusion));
}

void confusion_free(struct confusion *c) {
  buf_deinit(&c->wrong_text);
  buf_deinit(&c->wrong_json);
  free(c);
}

static void keep_wrong(struct confusion *c, const struct confusion_row *row, const struct verdict *verdict) {
  struct slice given = cause_name(verdict->cause), labelled = cause_name(row->cause);
  buf_printf(&c->wrong_text, "%.*s:%zu: %.*s, not %.*s\t%.*s\t%.*s\n", SLICE_ARG(row->file), row->line, SLICE_ARG(given),
             SLICE_ARG(labelled), SLICE_ARG(verdict->rule.len ? verdict->rule : SLICE("-")), SLICE_ARG(row->reply));
  struct buf *json = &c->wrong_json;
  buf_printf(json, "%s\n{\"cause\":\"%.*s\",\"given\":\"%.*s\",\"line\":%zu,\"file\":", json->len ? "," : "", SLICE_ARG(labelled),
             SLICE_ARG(given), row->line);
  json_write_string(json, row->file);
  buf_append_slice(json, SLICE(",\"rule\":"));
  json_write_string_or_null(json, verdict->rule);
  buf_append_slice(json, SLICE(",\"reply\":"));
  json_write_string(json, row->reply);
  buf_append_byte(json, '}');
}

void confusion_add(struct confusion *c, const struct confusion_row *row, const struct verdict *verdict) {
  bool is_cause_right = verdict->cause == row->cause;
  bool is_class_right = !row->has_class || verdict->bounce_class == row->bounce_class;
  c->rows++;
  c->causes[row->cause][verdict->cause]++;
  if (row->has_class) {
    c->class_rows++;
    c->classes[row->bounce_class][verdict->bounce_class]++;
  }
  c->counts[CONFUSION_CAUSE] += is_cause_right;
  c->counts[CONFUSION_CLASS] += is_class_right;
  c->counts[CONFUSION_FALSE_HARD] += !is_class_right && verdict->bounce_class == OUTCOME_hard;
  c->counts[CONFUSION_UNCLASSIFIED] += verdict->cause == CAUSE_unclassified;
  if (!is_cause_right || !is_class_right) keep_wrong(c, row, verdict);
}

bool confusion_is_right(const struct confusion *c) {
  return c->counts[CONFUSION_CAUSE] == c->rows && c->counts[CONFUSION_CLASS] == c->rows;
}

const char *confusion_share_name(enum confusion_share share) {
  static const char *const NAMES[CONFUSION_SHARE_COUNT] = {"cause right", "bounce class right", "false hard", "unclassified"};
  return NAMES[share];
}

static double percent(size_t part, size_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

bool confusion_keeps(const struct confusion *c, enum confusion_share share, double limit) {
  double got = percent(c->counts[share], c->rows);
  return share == CONFUSION_CAUSE || share == CONFUSION_CLASS ? got >= limit : got <= limit;
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

struct sums {
  size_t labelled, given, right;
};

static struct sums sums_of_cause(const struct confusion *c, unsigned cause) {
  struct sums sums = {.right = c->causes[cause][cause]};
  for (unsigned i = 0; i < CAUSE_COUNT; i++) sums.labelled += c->causes[cause][i], sums.given += c->causes[i][cause];
  return sums;
}

/* What rows with this label were taken for, most first: "policy 3, spam_content 1". */
static void write_instead(const struct confusion *c, unsigned cause, struct buf *out) {
  bool is_told[CAUSE_COUNT] = {[0] = false};
  const char *comma = "";
  for (;;) {
    unsigned most = cause;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
      if (i != cause && !is_told[i] && c->causes[cause][i] > (most == cause ? 0 : c->causes[cause][most])) most = i;
    if (most == cause) return;
    is_told[most] = true;
    buf_printf(out, "%s%.*s %zu", comma, SLICE_ARG(cause_name((enum cause)most)), c->causes[cause][most]);
    comma = ", ";
  }
}

static void write_causes(const struct confusion *c, struct buf *out) {
  buf_append_slice(out, SLICE("\nCAUSE                labelled   given   right  of labelled  of given  taken for\n"));
  for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
    struct sums sums = sums_of_cause(c, cause);
    if (!sums.labelled && !sums.given) continue;
    text_append_left(out, cause_name((enum cause)cause), 21);
    buf_printf(out, "%8zu%8zu%8zu", sums.labelled, sums.given, sums.right);
    text_append_percent(out, sums.right, sums.labelled, 13);
    text_append_percent(out, sums.right, sums.given, 10);
    buf_append_slice(out, SLICE("  "));
    write_instead(c, cause, out);
    buf_append_byte(out, '\n');
  }
}

static void write_classes(const struct confusion *c, struct buf *out) {
  buf_append_slice(out, SLICE("\nBOUNCE CLASS    given:"));
  for (unsigned i = 0; i < OUTCOME_COUNT; i++) buf_printf(out, "%10.*s", SLICE_ARG(outcome_name((enum outcome)i)));
  buf_append_byte(out, '\n');
  for (unsigned labelled = 0; labelled < OUTCOME_COUNT; labelled++) {
    size_t sum = 0;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) sum += c->classes[labelled][i];
    if (!sum) continue;
    text_append_left(out, outcome_name((enum outcome)labelled), 22);
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) buf_printf(out, "%10zu", c->classes[labelled][i]);
    buf_append_byte(out, '\n');
  }
}

void confusion_write_text(const struct confusion *c, struct buf *out) {
  buf_append_slice(out, buf_slice(&c->wrong_text));
  write_causes(c, out);
  if (c->class_rows) write_classes(c, out);
  buf_append_byte(out, '\n');
  for (unsigned i = 0; i < CONFUSION_SHARE_COUNT; i++) {
    bool needs_class = i == CONFUSION_CLASS || i == CONFUSION_FALSE_HARD;
    if (needs_class && !c->class_rows) continue;
    buf_printf(out, "%-18s  %6zu of %zu (%.2f %%)\n", confusion_share_name((enum confusion_share)i), c->counts[i], c->rows,
               percent(c->counts[i], c->rows));
  }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

/* {"policy":{"policy":230,"user_unknown":1},...}: labelled, given, how often. */
static void write_matrix(struct buf *out, const size_t *counts, unsigned size, struct slice (*name)(unsigned i)) {
  const char *comma = "";
  buf_append_byte(out, '{');
  for (unsigned labelled = 0; labelled < size; labelled++) {
    const size_t *row = counts + (size_t)labelled * size;
    const char *inner = "";
    for (unsigned given = 0; given < size; given++) {
      if (!row[given]) continue;
      if (!*inner) buf_printf(out, "%s\"%.*s\":{", comma, SLICE_ARG(name(labelled)));
      buf_printf(out, "%s\"%.*s\":%zu", inner, SLICE_ARG(name(given)), row[given]);
      inner = comma = ",";
    }
    if (*inner) buf_append_byte(out, '}');
  }
  buf_append_byte(out, '}');
}

static struct slice name_of_cause(unsigned i) { return cause_name((enum cause)i); }
static struct slice name_of_outcome(unsigned i) { return outcome_name((enum outcome)i); }

void confusion_write_json(const struct confusion *c, struct buf *out) {
  buf_printf(out, "{\"rows\":%zu,\"right_causes\":%zu,\"right_classes\":%zu,\"false_hard\":%zu,\"unclassified\":%zu,\n\"causes\":",
             c->rows, c->counts[CONFUSION_CAUSE], c->counts[CONFUSION_CLASS], c->counts[CONFUSION_FALSE_HARD],
             c->counts[CONFUSION_UNCLASSIFIED]);
  write_matrix(out, &c->causes[0][0], CAUSE_COUNT, name_of_cause);
  buf_append_slice(out, SLICE(",\n\"bounce_classes\":"));
  write_matrix(out, &c->classes[0][0], OUTCOME_COUNT, name_of_outcome);
  buf_append_slice(out, SLICE(",\n\"wrong\":["));
  buf_append_slice(out, buf_slice(&c->wrong_json));
  buf_append_slice(out, SLICE("]}\n"));
}
