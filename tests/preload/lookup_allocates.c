// What was allocated while we looked up next can be measured, grown and freed in the program's life.
#include <malloc.h>

#include "probe.h"

int main(void) {
    probe_start();
    size_t (*hooked_kept)(void***) = (size_t(*)(void***))dlsym(RTLD_DEFAULT, "hooked_kept");
    CHECK(hooked_kept != NULL);
    void** kept = NULL;
    size_t count = hooked_kept(&kept);
    CHECK(count >= 4);
    for (size_t i = 0; i < count; ++i) {
        CHECK(is_aligned(kept[i], 16) && malloc_usable_size(kept[i]) >= 40 && ((char*)kept[i])[19] == 'k');
        if (i % 3 == 0) kept[i] = realloc(kept[i], 300 * (1 + i % 7));
        CHECK(kept[i] != NULL && ((char*)kept[i])[19] == 'k');
        free(kept[i]);
    }
    // What lies in the library's own data must not have become a block of next's.
    static void* made[2000];
    for (size_t n = 0; n < 2000; ++n) {
        Dl_info inside;
        made[n] = make(n, n);
        CHECK(dladdr(made[n], &inside) == 0);
    }
    for (size_t n = 0; n < 2000; ++n) CHECK(holds(made[n], n, n)), free(made[n]);
    return 0;
}
