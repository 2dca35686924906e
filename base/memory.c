/* Allocation that cannot fail silently. See memory.h. */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Noreturn void out_of_memory(size_t size_bytes) {
  fprintf(stderr, "bouncemill: out of memory asking for %zu bytes; lower the limits or give the machine more\n", size_bytes);
  _Exit(75);
}

void *memory_alloc(size_t size_bytes) {
  void *ptr = malloc(size_bytes ? size_bytes : 1);
  if (!ptr) out_of_memory(size_bytes);
  return ptr;
}

void *memory_zeroed(size_t size_bytes) {
  void *ptr = calloc(1, size_bytes ? size_bytes : 1);
  if (!ptr) out_of_memory(size_bytes);
  return ptr;
}

void *memory_resize(void *ptr, size_t size_bytes) {
  void *moved = realloc(ptr, size_bytes ? size_bytes : 1);
  if (!moved) out_of_memory(size_bytes);
  return moved;
}

void *memory_map(size_t size_bytes) {
  void *ptr = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ptr == MAP_FAILED) out_of_memory(size_bytes);
  /* Advice only: a kernel without huge pages gives small ones. */
  if (size_bytes >= (2u << 20)) madvise(ptr, size_bytes, MADV_HUGEPAGE);
  return ptr;
}

void *memory_remap(void *ptr, size_t old_bytes, size_t new_bytes) {
  void *moved = mremap(ptr, old_bytes, new_bytes, MREMAP_MAYMOVE);
  if (moved == MAP_FAILED) out_of_memory(new_bytes);
  if (new_bytes >= (2u << 20)) madvise(moved, new_bytes, MADV_HUGEPAGE);
  return moved;
}

void memory_unmap(void *ptr, size_t size_bytes) {
  if (ptr) munmap(ptr, size_bytes);
}
