/* Which causes and bounce classes labelled replies were taken for.
 *
 *                          given
 *   labelled       user_unknown   policy   ...
 *   user_unknown            812        4
 *   policy                    1      230
 */
#ifndef TOOLS_CONFUSION_H
#define TOOLS_CONFUSION_H

#include "base/buf.h"
#include "schemas/verdict.h"

struct confusion_row {
  struct slice file, receiver, reply;
  size_t line;
  enum cause cause; /* as labelled */
  enum outcome bounce_class;
  bool has_class; /* else the class is not compared */
};

struct confusion;
struct confusion *confusion_new(void);
void confusion_free(struct confusion *confusion);

/* Counts a row; one that differs is kept, as text, for the list of those. */
void confusion_add(struct confusion *confusion, const struct confusion_row *row, const struct verdict *verdict);

/* Every row had its cause and its class. */
bool confusion_is_right(const struct confusion *confusion);

enum confusion_share { CONFUSION_CAUSE, CONFUSION_CLASS, CONFUSION_FALSE_HARD, CONFUSION_UNCLASSIFIED, CONFUSION_SHARE_COUNT };
/* "cause right", "bounce class right", "false hard", "unclassified". */
const char *confusion_share_name(enum confusion_share share);
/* Whether the share is not below (of what is right), not above (of what is wrong) `percent`. */
bool confusion_keeps(const struct confusion *confusion, enum confusion_share share, double percent);

void confusion_write_text(const struct confusion *confusion, struct buf *out);
void confusion_write_json(const struct confusion *confusion, struct buf *out);

#endif
