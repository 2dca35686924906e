/* Makes the strings of rows: domains of addresses in one spelling, and bytes of logs as valid UTF-8 of bounded length.
 *
 *   <John@EXAMPLE.com.>     -> example.com        "a@b"@x.org -> x.org       postmaster -> (empty)
 *   j@Bücher.example        -> xn--bcher-kva.example
 *
 * What needs no change is returned as a view of what was given; else it is written to the caller's scratch. */
#ifndef AGGREGATE_DOMAIN_H
#define AGGREGATE_DOMAIN_H

#include "base/limits.h"
#include "base/slice.h"

/* What each function may write to its scratch. */
#define DOMAIN_SCRATCH_BYTES 256u

/* The place behind the last '@' outside quotes, where the domain begins; 0 when there is none. */
size_t domain_place(struct slice address);

/* The domain behind the last '@' outside quotes, normalised as by domain_normalise; empty when there is none (or the address is
 * empty or absent). Normalising what is normalised changes nothing. */
struct slice domain_of_address(struct slice address, char *scratch);

/* Whether an address or a domain is as the other functions would leave it: no upper case letter, no byte from 0x80 on, no trailing dot, not
 * too long. */
bool domain_is_plain(struct slice text);

/* Lower case, A-labels (IDNA2008, non-transitional), no trailing dots, at most LIMIT_KEY_BYTES. A name that IDNA refuses keeps its
 * bytes, cleaned to valid UTF-8. Only names with bytes from 0x80 on cost a conversion (about 3 us, and memory of libidn2
 * meanwhile). */
struct slice domain_normalise(struct slice domain, char *scratch);

/* `text` as valid UTF-8 of at most LIMIT_KEY_BYTES, cut between characters. Absent becomes empty. */
struct slice key_clean(struct slice text, char *scratch);

#endif
