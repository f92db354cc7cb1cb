/* The steps of a program that uses the C API, for one that is run with the library and without it. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/include/temporal_slab.h"

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

/* Of a domain of another thread. */
static void* use_from_elsewhere(void* of) {
    const tslab_domain domain = *(tslab_domain*)of;
    EXPECT(tslab_domain_enter(domain) == TSLAB_OTHER_THREAD);
    EXPECT(tslab_domain_exit(domain) == TSLAB_OTHER_THREAD);
    EXPECT(tslab_domain_close(domain) == TSLAB_OTHER_THREAD);
    EXPECT(tslab_domain_destroy(domain) == TSLAB_OTHER_THREAD);
    return of;
}

static void use_up_domains(void) {
    enum { most = 4095 };
    static tslab_domain all[most];
    tslab_domain another = 0;
    for (int i = 0; i < most; i++) EXPECT(tslab_domain_create(&all[i]) == TSLAB_OK);
    EXPECT(tslab_domain_create(&another) == TSLAB_TOO_MANY);
    for (int i = 0; i < most; i++) EXPECT(tslab_domain_destroy(all[i]) == TSLAB_OK);
}

static int use_each(const char* mode) {
    tslab_domain domain = 0;
    struct tslab_epoch_info info;
    EXPECT((tslab_version() == NULL) == (strcmp(mode, "absent") == 0));
    if (strcmp(mode, "active") != 0) {
        EXPECT(tslab_owns(&domain) == 0);
        EXPECT(tslab_epoch_current() == 0);
        EXPECT(tslab_epoch_advance() == 0);
        EXPECT(tslab_epoch_close(1) == TSLAB_NOT_LOADED);
        EXPECT(tslab_epoch_label(1, "x") == TSLAB_NOT_LOADED);
        EXPECT(tslab_epoch_stats(1, &info) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_create(&domain) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_enter(domain) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_exit(domain) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_close(domain) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_destroy(domain) == TSLAB_NOT_LOADED);
        EXPECT(tslab_domain_epoch(domain) == 0);
        return 0;
    }
    const uint64_t first = tslab_epoch_current();
    EXPECT(first >= 1);
    EXPECT(tslab_epoch_label(first, "start") == TSLAB_OK);
    const uint64_t second = tslab_epoch_advance();
    EXPECT(second > first && tslab_epoch_current() == second);
    EXPECT(tslab_epoch_stats(first, &info) == TSLAB_OK);
    EXPECT(strcmp(info.label, "start") == 0 && info.state != TSLAB_EPOCH_OPEN && info.era == first);
    EXPECT(tslab_epoch_stats(second + 1000, &info) == TSLAB_NO_EPOCH);
    EXPECT(tslab_epoch_close(second + 1000) == TSLAB_NO_EPOCH);
    EXPECT(tslab_epoch_label(0, "x") == TSLAB_NO_EPOCH);
    EXPECT(tslab_epoch_label(tslab_epoch_current() + ((uint64_t)1 << 32), "x") == TSLAB_NO_EPOCH);

    EXPECT(tslab_domain_enter(0) == TSLAB_NO_DOMAIN);
    EXPECT(tslab_domain_create(&domain) == TSLAB_OK);
    EXPECT(tslab_domain_exit(domain) == TSLAB_NOT_INNERMOST);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, use_from_elsewhere, &domain) == 0 &&
           pthread_join(thread, NULL) == 0);
    EXPECT(tslab_domain_enter(domain) == TSLAB_OK);
    EXPECT(tslab_domain_destroy(domain) == TSLAB_ENTERED);
    char* objects[1000];
    for (int i = 0; i < 1000; i++) {
        objects[i] = (char*)malloc(300);
        EXPECT(tslab_owns(objects[i]));
        memset(objects[i], i, 300);
    }
    EXPECT(tslab_domain_exit(domain) == TSLAB_OK);
    const uint64_t epoch = tslab_domain_epoch(domain);
    EXPECT(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    EXPECT(info.state == TSLAB_EPOCH_OPEN && info.live_objects == 1000 && info.era == second);
    EXPECT(info.resident_bytes >= info.live_bytes && info.live_bytes >= 300 * 1000);
    for (int i = 1; i < 1000; i++) free(objects[i]);
    EXPECT(tslab_domain_close(domain) > 0);
    EXPECT(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    EXPECT(info.state == TSLAB_EPOCH_CLOSED && info.live_objects == 1 && info.resident_bytes < 256 * 1024);
    EXPECT(tslab_domain_destroy(domain) == TSLAB_OK);
    EXPECT(tslab_domain_destroy(domain) == TSLAB_NO_DOMAIN);
    EXPECT(objects[0][299] == 0);
    free(objects[0]);
    EXPECT(tslab_epoch_close(epoch) >= 0);
    EXPECT(tslab_epoch_stats(epoch, &info) == TSLAB_OK && info.live_objects == 0);
    use_up_domains();
    return 0;
}

/* mode: "active", "disabled", or "absent" */
static int use_api(const char* mode) {
    errno = EDOM;
    const int status = use_each(mode);
    EXPECT(errno == EDOM);
    return status;
}
