/* The table of envelopes. The shippers' names come from shippers.def, each once. */
#include "ingest/envelope.h"

static const struct envelope envelopes[] = {
    {"auto", ENVELOPE_AUTO},
    {"plain", ENVELOPE_PLAIN},
#define SHIPPER(name, has, message, time, host, program, pid) {name, ENVELOPE_JSON},
#include "ingest/shippers.def"
#undef SHIPPER
    {"cri", ENVELOPE_CRI},
};

const struct envelope *envelope_at(size_t i) {
  for (size_t k = 0; k < sizeof envelopes / sizeof *envelopes; k++) {
    bool is_again = k > 0 && strcmp(envelopes[k].name, envelopes[k - 1].name) == 0;
    if (!is_again && i-- == 0) return &envelopes[k];
  }
  return NULL;
}

const struct envelope *envelope_find(struct slice name) {
  for (size_t k = 0; k < sizeof envelopes / sizeof *envelopes; k++)
    if (slice_equal(slice_from_cstr(envelopes[k].name), name)) return &envelopes[k];
  return NULL;
}

const char *envelope_name(const struct envelope *envelope) { return envelope->name; }

bool envelope_is_plain(const struct envelope *envelope) { return envelope->kind == ENVELOPE_PLAIN; }
