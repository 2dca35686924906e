/* What the files of the qmail format share.
 *
 *   qmail.c          the format: stamps, and the lines of qmail-send
 *   qmail_result.c   what the text of a result says: "192.0.2.7_does_not_like_recipient./Remote_host_said:_550_..." */
#ifndef INGEST_QMAIL_INTERNAL_H
#define INGEST_QMAIL_INTERNAL_H

#include "ingest/line_walk.h"

/* Reads a report into reply, codes, stage and relay_ip of line->delivery. `status` is what qmail calls it; a failure at the end of the time in
 * the queue becomes expired. */
void qmail_read_report(struct line_walk *walk, struct slice report, enum status status, struct line *line);

#endif
