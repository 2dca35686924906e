/* Where what can be made again is kept from run to run: compiled rules. */
#ifndef TOOLS_CACHE_DIR_H
#define TOOLS_CACHE_DIR_H

#include "classify/classify.h"

/* classifier_new with options->cache_dir set to the first of: $CACHE_DIRECTORY (systemd's CacheDirectory=), $XDG_CACHE_HOME/bouncemill,
 * $HOME/.cache/bouncemill; without any of them nothing is kept. */
struct classifier *classifier_new_cached(const struct classifier_options *options, struct error *err);

#endif
