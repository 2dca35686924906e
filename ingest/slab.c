/* Pages of equal objects. See slab.h. */
#include "ingest/slab.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

#define PAGE_BYTES (64u << 10)
#define REGION_BYTES (1u << 20)

/* Steps of a half between powers of two: at most a third of an object is waste. All are multiples of 16. */
static const uint16_t CLASS_BYTES[SLAB_CLASS_COUNT] = {32,  48,  64,   96,   128,  192,  256,  320,  384,
                                                       512, 768, 1024, 1536, 2048, 3072, 4096, 8192, SLAB_OBJECT_BYTES_MAX};

struct slab_page {
  struct slab_page *next, *prev; /* in open[class] or empty */
  void *free;                    /* freed objects, each pointing to the next */
  char *fresh;                   /* behind it nothing was handed out yet */
  uint32_t live, size_class;
  bool is_open;
} __attribute__((aligned(64)));

static unsigned class_of(size_t size_bytes) {
  unsigned i = size_bytes > CLASS_BYTES[6] ? 7 : 0;
  while (CLASS_BYTES[i] < size_bytes) i++;
  return i;
}

size_t slab_round(size_t size_bytes) { return CLASS_BYTES[class_of(size_bytes)]; }

static struct slab_page *page_of(void *object) { return (struct slab_page *)((uintptr_t)object & ~(uintptr_t)(PAGE_BYTES - 1)); }

static void link_page(struct slab_page **list, struct slab_page *page) {
  page->prev = NULL;
  page->next = *list;
  if (*list) (*list)->prev = page;
  *list = page;
}

static void unlink_page(struct slab_page **list, struct slab_page *page) {
  if (page->prev)
    page->prev->next = page->next;
  else
    *list = page->next;
  if (page->next) page->next->prev = page->prev;
}

/* One page more than the region needs: pages are found by masking an object's address, so they are aligned to their size. */
static void add_region(struct slab *slab) {
  char *region = memory_map(REGION_BYTES + PAGE_BYTES);
  slab->regions = memory_resize(slab->regions, (slab->region_count + 1) * sizeof *slab->regions);
  slab->regions[slab->region_count++] = region;
  char *first = (char *)page_of(region + PAGE_BYTES - 1);
  for (size_t at = REGION_BYTES; at > 0; at -= PAGE_BYTES) link_page(&slab->empty, (struct slab_page *)(first + at - PAGE_BYTES));
}

void slab_deinit(struct slab *slab) {
  for (size_t i = 0; i < slab->region_count; i++) memory_unmap(slab->regions[i], REGION_BYTES + PAGE_BYTES);
  free(slab->regions);
  *slab = (struct slab){0};
}

static struct slab_page *open_page(struct slab *slab, unsigned size_class) {
  if (!slab->empty) add_region(slab);
  struct slab_page *page = slab->empty;
  unlink_page(&slab->empty, page);
  page->free = NULL;
  page->fresh = (char *)(page + 1);
  page->live = 0;
  page->size_class = size_class;
  page->is_open = true;
  link_page(&slab->open[size_class], page);
  return page;
}

static bool is_exhausted(const struct slab_page *page) {
  return !page->free && page->fresh + CLASS_BYTES[page->size_class] > (const char *)page + PAGE_BYTES;
}

void *slab_alloc(struct slab *slab, size_t size_bytes) {
  assert(size_bytes <= SLAB_OBJECT_BYTES_MAX);
  unsigned size_class = class_of(size_bytes);
  struct slab_page *page = slab->open[size_class];
  if (!page) page = open_page(slab, size_class);
  void *object = page->free;
  if (object) {
    memcpy(&page->free, object, sizeof page->free);
  } else {
    object = page->fresh;
    page->fresh += CLASS_BYTES[size_class];
  }
  page->live++;
  if (is_exhausted(page)) {
    unlink_page(&slab->open[size_class], page);
    page->is_open = false;
  }
  return object;
}

void slab_free(struct slab *slab, void *object) {
  struct slab_page *page = page_of(object);
  memcpy(object, &page->free, sizeof page->free);
  page->free = object;
  page->live--;
  if (!page->is_open) {
    link_page(&slab->open[page->size_class], page);
    page->is_open = true;
  }
  /* The last page of a class stays: a single message that comes and goes must not open and close it each time. */
  if (page->live || (!page->next && !page->prev)) return;
  unlink_page(&slab->open[page->size_class], page);
  link_page(&slab->empty, page);
}
