/* Finds, at a place of a reply, what changes from message to message: times, addresses of hosts, ids. Each function looks at the
 * bytes from `at` to `end` and returns how many bytes the thing takes; 0: it is not there. The bytes are followed by at
 * least 16 zero bytes, so that looking a few ahead needs no check. Nothing here writes. */
#ifndef CLASSIFY_VARYING_H
#define CLASSIFY_VARYING_H

#include "base/slice.h"

/* "192.0.2.7", followed by no letter or digit. Not 127.x.x.x: what blocklists answer with says what they mean. */
size_t varying_ipv4(const char *at, const char *end);

/* "2001:db8::1", "::ffff:192.0.2.7". */
size_t varying_ipv6(const char *at, const char *end);

/* "2024-06-24", "2024-06-24T08:58:06.389Z", "08:58:06", "24 Jun 2024 08:58:06 +0000". */
size_t varying_time(const char *at, const char *end);

/* "02 11:59:39", when what stands before is a month. */
size_t varying_day_and_time(const char *at, const char *end);

/* Whether the three letters at `at`, lower case, are a month or a day of the week. */
bool varying_is_month(const char *at);
bool varying_is_weekday(const char *at);

/* What a run of letters and digits without anything between is. */
enum component {
  COMPONENT_PLAIN,        /* stays: words, short numbers, codes such as TSS04 */
  COMPONENT_NUMBER,       /* 5 digits or more */
  COMPONENT_NAMED_NUMBER, /* up to 12 letters with 5 digits or more behind: AS16012609 */
  COMPONENT_ID,           /* digits and letters mixed: 8 with 3 digits, or 10 with 2 */
};

/* `letter_count`: for COMPONENT_NAMED_NUMBER the letters before the digits. */
enum component varying_component(struct slice component, size_t *letter_count);

/* Whether the run (letters, digits, . _ - +) is a host name: labels between dots, the last of letters. */
bool varying_is_host(struct slice run);

/* How many bytes of the run, from its front to the end of the last part with a digit in it, are one id; 0: it has no id in it. */
size_t varying_id_run(struct slice run);

/* Whether a unit of time or size follows, as in "300 seconds", at the space before it. */
bool varying_is_unit(const char *at, const char *end);

#endif
