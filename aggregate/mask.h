/* Takes people out of a reply before it is kept, as an example or as a template: local parts of addresses in whatever form, subjects and
 * message ids become "***".
 *
 *   550 5.1.1 <john.doe@example.com>: no such user   ->  550 5.1.1 <***@example.com>: no such user
 *   "john doe"@x.org, john%y.org@x.org, e=john%40x   ->  ***@x.org, ***@x.org, ***%40x
 *   mx!john, <john>, john.doe at x.org, cn=john      ->  mx!***, <***>, *** at x.org, cn=***
 *   header Subject: hello from the boss              ->  header Subject: ***
 *   john unknown, when the mail was to john@x.org    ->  *** unknown
 *
 * Domains and IP addresses stay. When in doubt about where a local part begins, more is masked rather than less. */
#ifndef AGGREGATE_MASK_H
#define AGGREGATE_MASK_H

#include "base/limits.h"
#include "base/slice.h"

/* Whose mail it was: their local parts are masked wherever they stand as a word. Each may be absent. */
struct mask_names {
  struct slice recipient, orig_recipient, sender;
};

/* Writes the masked text (of its first LIMIT_REPLY_BYTES) as valid UTF-8, cut between characters at LIMIT_TEMPLATE_BYTES, to `out`
 * (that large); returns how many bytes. Any bytes, any length. */
size_t mask_text(struct slice text, const struct mask_names *names, char *out);

#endif
