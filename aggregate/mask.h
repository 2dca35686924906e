/* Takes people out of a reply before it is kept as an example: the local part of every address becomes "***".
 *
 *   550 5.1.1 <john.doe@example.com>: no such user   ->  550 5.1.1 <***@example.com>: no such user
 *   "john doe"@x.org, john%y.org@x.org, e=john%40x   ->  ***@x.org, ***@x.org, ***%40x
 *
 * Domains and IP addresses stay. When in doubt about where a local part begins, more is masked rather than less. */
#ifndef AGGREGATE_MASK_H
#define AGGREGATE_MASK_H

#include "base/limits.h"
#include "base/slice.h"

/* Writes the masked reply as valid UTF-8, cut between characters at LIMIT_TEMPLATE_BYTES, to `out` (that large); returns how many
 * bytes. Any bytes, any length; the time grows with the length. */
size_t mask_addresses(struct slice reply, char *out);

#endif
