/* Mapping, growing and giving back. See pool.h. */
#include "aggregate/pool.h"

void pool_init(struct pool *pool, size_t item_bytes, size_t base_bytes) {
  *pool = (struct pool){.item_bytes = item_bytes, .mapped_bytes = base_bytes, .cap = base_bytes / item_bytes};
  pool->items = memory_map(base_bytes);
}

void pool_deinit(struct pool *pool) {
  memory_unmap(pool->items, pool->mapped_bytes);
  *pool = (struct pool){0};
}

static void resize(struct pool *pool, size_t bytes) {
  pool->items = memory_remap(pool->items, pool->mapped_bytes, bytes);
  pool->mapped_bytes = bytes;
  pool->cap = bytes / pool->item_bytes;
}

void pool_grow(struct pool *pool, size_t more) {
  size_t bytes = pool->mapped_bytes;
  while (bytes / pool->item_bytes < pool->count + more) bytes *= 2;
  resize(pool, bytes);
}

void pool_empty(struct pool *pool) {
  pool->count = 0;
  if (pool->mapped_bytes > POOL_KEEP_BYTES) resize(pool, POOL_KEEP_BYTES);
}
