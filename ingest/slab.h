/* Memory for many small things of different sizes that come and go: no malloc per line, and what is freed by one size can be used
 * again by another.
 *
 *   region 1 MiB:  | page 64 KiB | page | page | ...          a page holds objects of one size class
 *   page:          | header | object | object | free | ...    freed objects are linked inside the page
 *
 * A page whose objects are all free goes back to the common list, so that the memory held is near the largest ever used at once.
 * One owner; not thread-safe. */
#ifndef INGEST_SLAB_H
#define INGEST_SLAB_H

#include "base/slice.h"

/* The largest object: a deferral whose strings all have their largest size. */
#define SLAB_OBJECT_BYTES_MAX (12u << 10)
#define SLAB_CLASS_COUNT 18

struct slab_page;

struct slab {
  struct slab_page *open[SLAB_CLASS_COUNT]; /* pages of a class with a free object */
  struct slab_page *empty;                  /* pages of no class */
  void **regions;
  size_t region_count;
};

/* A zeroed slab is an empty one. Frees all memory at once, whatever still lives in it. */
void slab_deinit(struct slab *slab);

/* At least size_bytes (1 ... SLAB_OBJECT_BYTES_MAX), aligned to 16, not cleared. Asks the system for a region only when no page is
 * free. */
void *slab_alloc(struct slab *slab, size_t size_bytes);
/* Takes back what slab_alloc gave. */
void slab_free(struct slab *slab, void *object);

/* What an object of this size really takes. */
size_t slab_round(size_t size_bytes);

#endif
