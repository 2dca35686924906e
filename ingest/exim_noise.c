/* Which kind of noise a line is that says nothing of a delivery. */
#include "ingest/exim_internal.h"

static const struct {
  struct slice beginning;
  enum noise noise;
} beginnings[] = {
    {SLICE("SMTP "), NOISE_connection},
    {SLICE("TLS "), NOISE_connection},
    {SLICE("no host name found"), NOISE_connection},
    {SLICE("no IP address found"), NOISE_connection},
    {SLICE("unexpected disconnection"), NOISE_connection},
    {SLICE("Connection "), NOISE_connection},
    {SLICE("refused connection"), NOISE_connection},
    {SLICE("connection "), NOISE_connection},
    {SLICE("host "), NOISE_connection},
    {SLICE("Remote host closed connection"), NOISE_connection},
    {SLICE("Start queue run"), NOISE_bookkeeping},
    {SLICE("End queue run"), NOISE_bookkeeping},
    {SLICE("exim "), NOISE_bookkeeping},
    {SLICE("SIGHUP received"), NOISE_bookkeeping},
    {SLICE("pid "), NOISE_bookkeeping},
    {SLICE("cwd="), NOISE_bookkeeping},
    {SLICE("retry-time"), NOISE_bookkeeping},
    {SLICE("Warning: "), NOISE_warning},
    {SLICE("DKIM: "), NOISE_policy},
    {SLICE("ACL "), NOISE_policy},
};

/* Behind "H=..." and its fellows: an ACL's warning, or what befell a connection to or from this host. */
static enum noise noise_of_host(const struct exim_line *line) {
  struct slice text = slice_between(line->text, line->end);
  return slice_find(text, SLICE(" Warning: ")) < text.len ? NOISE_policy : NOISE_connection;
}

enum noise exim_noise(const struct exim_line *line) {
  struct slice text = slice_between(line->text, line->end);
  if (slice_starts_with(text, SLICE("H="))) return noise_of_host(line);
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (exim_starts_with(text, beginnings[i].beginning)) return beginnings[i].noise;
  /* Of a message: frozen, unfrozen, its spool file locked, ... */
  if (!slice_is_absent(line->id)) return NOISE_bookkeeping;
  return slice_find(text, SLICE(" authenticator failed for ")) < text.len ? NOISE_connection : NOISE_warning;
}
