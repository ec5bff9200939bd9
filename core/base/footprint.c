/* core/base/footprint.c - smaller processes after start-up (footprint.h). */
#include "core/base/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void footprint_trim_heap(void)
{
    (void) malloc_trim(0);
}

/* Only segments that nobody can have written to: dropping their pages loses nothing. */
static int trim_object(struct dl_phdr_info *object, size_t size, void *page_size)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + segment->p_vaddr, page = *(uintptr_t *) page_size;
        uintptr_t from = start & ~(page - 1);

        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            (void) madvise((void *) from, start - from + segment->p_memsz, MADV_DONTNEED);
    }
    return 0;
}

void footprint_trim_image(void)
{
    uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);

    (void) dl_iterate_phdr(trim_object, &page);
}
