/* Memory that is there or the program ends: everything that grows has a limit of its own (base/limits.h), so running out
 * is a wrong limit for this machine, said on stderr, exit code 75. Nothing here is called once per line. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Never NULL; memory_zeroed is filled with zero bytes. Freed with free(). */
void *memory_alloc(size_t size_bytes);
void *memory_zeroed(size_t size_bytes);
void *memory_resize(void *ptr, size_t size_bytes);

/* Whole pages for tables that are touched at random: 2 MiB pages where the kernel gives them. Zeroed. */
void *memory_map(size_t size_bytes);
/* The same pages, more or fewer of them, perhaps at another address; what is new is zeroed. Moves page tables, not bytes. */
void *memory_remap(void *ptr, size_t old_bytes, size_t new_bytes);
void memory_unmap(void *ptr, size_t size_bytes);

#endif
