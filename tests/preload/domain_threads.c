/* Domains under threads, fork and exceptions to the order: each thread has its own, others free what they
 * made, and a child goes on with those of the thread that forked. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"

enum { kThreads = 4, kRounds = 300, kObjects = 50 };

static void* mailbox[kThreads][kObjects];
static pthread_mutex_t locks[kThreads];

static void* serve(void* argument) {
    const size_t self = (size_t)argument;
    tslab_domain domain;
    EXPECT(tslab_domain_create(&domain) == TSLAB_OK);
    for (int round = 0; round < kRounds; round++) {
        EXPECT(tslab_domain_enter(domain) == TSLAB_OK);
        void* objects[kObjects];
        for (int i = 0; i < kObjects; i++) {
            const size_t bytes = 64 + (size_t)(i * 14);
            objects[i] = malloc(bytes);
            memset(objects[i], (int)self, bytes);
        }
        EXPECT(tslab_domain_exit(domain) == TSLAB_OK);
        const size_t other = (self + 1) % kThreads;
        pthread_mutex_lock(&locks[other]);
        for (int i = 0; i < kObjects; i += 2) {
            free(mailbox[other][i]);
            mailbox[other][i] = objects[i];
        }
        pthread_mutex_unlock(&locks[other]);
        for (int i = 1; i < kObjects; i += 2) {
            EXPECT(*(unsigned char*)objects[i] == self);
            free(objects[i]);
        }
        if (round % 3 == 0) EXPECT(tslab_domain_close(domain) >= 0);
        if (round % 50 == 49) {
            EXPECT(tslab_domain_enter(domain) == TSLAB_OK);
            const pid_t child = fork();
            if (child == 0) {
                for (int i = 0; i < 1000; i++) free(malloc(100));
                EXPECT(tslab_domain_exit(domain) == TSLAB_OK);
                tslab_domain another;
                EXPECT(tslab_domain_create(&another) == TSLAB_OK);
                EXPECT(tslab_domain_enter(another) == TSLAB_OK);
                void* object = malloc(100);
                EXPECT(tslab_domain_exit(another) == TSLAB_OK);
                EXPECT(tslab_domain_destroy(another) == TSLAB_OK);
                EXPECT(tslab_domain_destroy(domain) == TSLAB_OK);
                free(object);
                _exit(0);
            }
            int status = 0;
            EXPECT(waitpid(child, &status, 0) == child && status == 0);
            EXPECT(tslab_domain_exit(domain) == TSLAB_OK);
        }
    }
    return NULL; /* the domain ends with the thread */
}

int main(void) {
    pthread_t threads[kThreads];
    for (size_t i = 0; i < kThreads; i++) pthread_mutex_init(&locks[i], NULL);
    for (size_t i = 0; i < kThreads; i++) EXPECT(pthread_create(&threads[i], NULL, serve, (void*)i) == 0);
    for (size_t i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < kThreads; i++) {
        for (int k = 0; k < kObjects; k++) free(mailbox[i][k]);
    }
    return use_api("active");
}
