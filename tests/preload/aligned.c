// Every aligned request of 16 to 64K is aligned, has room, keeps its contents beside others, and can be
// grown, shrunk and freed like any other block.
#include <malloc.h>

#include "probe.h"

static const size_t sizes[] = {0,   1,   16,  40,  63,  64,  65,  96,  100,  128,  192,  200,
                               256, 300, 384, 500, 512, 700, 768, 769, 1000, 4096, 70000};
enum { count = sizeof sizes / sizeof sizes[0], kinds = 3, copies = 3 };

static void* request(size_t kind, size_t alignment, size_t n) {
    void* p = NULL;
    switch (kind) {
        case 0:
            CHECK(posix_memalign(&p, alignment, n) == 0);
            return p;
        case 1:
            return aligned_alloc(alignment, n);
        default:
            return memalign(alignment, n);
    }
}

int main(void) {
    probe_start();
    static unsigned char* made[count][kinds][copies];
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        for (size_t s = 0; s < count; ++s)
            for (size_t kind = 0; kind < kinds; ++kind)
                for (size_t copy = 0; copy < copies; ++copy) {
                    unsigned char* p = hide(request(kind, alignment, sizes[s]));
                    CHECK(p != NULL && is_aligned(p, alignment) && malloc_usable_size(p) >= sizes[s]);
                    fill(p, malloc_usable_size(p), alignment + s * 9 + kind * 3 + copy);
                    made[s][kind][copy] = p;
                }
        for (size_t s = 0; s < count; ++s)
            for (size_t kind = 0; kind < kinds; ++kind)
                for (size_t copy = 0; copy < copies; ++copy) {
                    unsigned char* p = made[s][kind][copy];
                    uint64_t seed = alignment + s * 9 + kind * 3 + copy;
                    size_t usable = malloc_usable_size(p);
                    CHECK(holds(p, usable, seed));
                    if (copy == 0) p = hide(realloc(p, usable + 100));
                    if (copy == 1 && usable > 20) p = hide(realloc(p, usable = usable / 2));
                    CHECK(p != NULL && holds(p, usable, seed));
                    free(p);
                }
    }

    // Small objects of natural alignment are common: at least those are ours, not merely aligned.
    void* cache_line = aligned_alloc(64, 128);
    CHECK(!is_next(cache_line));
    free(cache_line);
    return 0;
}
