// pthread key destructors free and allocate in every round of destructors, those of keys made before the
// first malloc and after; what they free is freed, thread after thread.
#include <limits.h>
#include <malloc.h>

#include "busy.h"

enum { threads = 1000, objects = 100 };
static pthread_key_t early, late;
static atomic_size_t runs;

struct bundle {
    pthread_key_t* key;
    int round;
    void* made[objects];
};

static struct bundle* bundle_make(pthread_key_t* key, int round) {
    struct bundle* b = hide(malloc(sizeof *b));
    CHECK(b != NULL);
    b->key = key;
    b->round = round;
    for (size_t i = 0; i < objects; ++i) b->made[i] = make(500 + i, i);
    return b;
}

static void destroy(void* value) {
    struct bundle* b = value;
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(b->made[i], 500 + i, i));
        free(b->made[i]);
    }
    if (b->round + 1 < PTHREAD_DESTRUCTOR_ITERATIONS) {
        CHECK(pthread_setspecific(*b->key, bundle_make(b->key, b->round + 1)) == 0);
    } else {
        // A growing buffer, as a logger that still runs this late has.
        char* text = NULL;
        for (size_t n = 10; n < 2000; n += 90) CHECK((text = realloc(text, n)) != NULL), memset(text, 1, n);
        free(text);
    }
    free(b);
    atomic_fetch_add(&runs, 1);
}

static void* body(void* unused) {
    CHECK(pthread_setspecific(early, bundle_make(&early, 0)) == 0);
    CHECK(pthread_setspecific(late, bundle_make(&late, 0)) == 0);
    return unused;
}

static void __attribute__((constructor(101))) make_early_key(void) {
    CHECK(pthread_key_create(&early, destroy) == 0);
}

int main(void) {
    probe_start();
    end_if_stuck();
    CHECK(pthread_key_create(&late, destroy) == 0);
    for (int i = 0; i < 20; ++i) join(start(body, 0));
    size_t before = status_kib("VmRSS:");
    for (int i = 0; i < threads; ++i) join(start(body, 0));
    // 440 MB went through the destructors.
    CHECK(status_kib("VmRSS:") < before + 16 * 1024);
    CHECK(runs == (size_t)(threads + 20) * 2 * PTHREAD_DESTRUCTOR_ITERATIONS);
    return 0;
}
