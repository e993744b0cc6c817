// Counts allocations: the program's own malloc stands before that of libc, for the Swift runtime, too.
//
// The benchmark library's own counts come from a hook that does not build everywhere; this needs glibc alone.

#include "allocations.h"

#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local unsigned long count __attribute__((tls_model("initial-exec")));

unsigned long tarn_allocation_count(void) { return count; }

void *malloc(size_t size) {
    count++;
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count++;
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count++;
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    count++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    void *bytes = memalign(alignment, size);
    if (!bytes) return ENOMEM;
    *result = bytes;
    return 0;
}
