/* The Sendmail format: syslog lines of sendmail, sm-mta, sm-msp-queue and what else begins with "sm-", versions 8.8 to 8.18.
 *
 *   sm-mta[9]: 6AOBkbU3015325: from=<a@b>, size=9, nrcpts=1, ...     -> sender, client, message id, number of recipients
 *   sm-mta[9]: 6AOBkbU3015325: to=<c@d>, ..., stat=Sent (ok)         -> a delivery; a recipient is settled
 *   sm-mta[9]: 6AOBkbU3015325: 6AOBkbU3015326: DSN: User unknown     -> the null sender of 6AOBkbU3015326
 *   sm-mta[9]: 6AOBkbU3015325: done; delay=00:00:01, ntries=1        -> removed; only from log level 11 on
 *
 * There is no line for a message's end at the usual log level, so the join counts recipients down. Nothing here looks at another
 * line than its own. */
#include "ingest/formats.h"
#include "ingest/recognise.h"
#include "ingest/sendmail_internal.h"

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, CPU_LEVEL_CHOOSE(sendmail_read_line));
}

static bool recognise(const struct line_shape *shape) { return shape->is_syslog && sendmail_is_program(shape->program); }

const struct format FORMAT_SENDMAIL = {.name = "sendmail",
                                       .parse = parse,
                                       .state_new = line_walk_state_new,
                                       .state_free = line_walk_state_free,
                                       .recognise = recognise};
