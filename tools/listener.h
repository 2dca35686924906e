/* What a run tells over HTTP while it works: /metrics, /healthz, /readyz. The pipeline publishes a text between batches; requests are
 * answered from the last one, on a thread of their own, and never reach into the pipeline.
 *
 *   /metrics   the text published last (Prometheus' text format 0.0.4); empty before the first
 *   /readyz    200 once something was published: store and sources are open; 503 before, and when the last text was published with
 *              a reason
 *   /healthz   200, or 503 when nothing was published for LISTENER_STUCK_S: the run hangs */
#ifndef TOOLS_LISTENER_H
#define TOOLS_LISTENER_H

#include "base/buf.h"
#include "base/error.h"

#define LISTENER_STUCK_S 60

struct listen_address {
  char host[256], port[6];
};
/* "ADDR:PORT", "[ADDR]:PORT", or "PORT", which is of the loopback address. False when it is none of them. */
bool listen_address_parse(const char *text, struct listen_address *out);

struct listener;
/* Binds and answers from now on; logs where (port 0: one that is free). NULL with err. */
struct listener *listener_new(const struct listen_address *address, struct error *err);
/* Returns when no request is being answered. */
void listener_free(struct listener *listener);
/* Takes the text; `text` is empty afterwards. `not_ready` says why the run does not go on, and is copied; NULL: it does. */
void listener_publish(struct listener *listener, struct buf *text, const char *not_ready);

#endif
