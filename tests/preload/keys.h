// So many keys that a thread's value of the library's own is not among those it has room for from the start.
#pragma once

#include <pthread.h>
#include <stddef.h>

static pthread_key_t program_keys[40];

static void make_keys(void) {
    for (size_t i = 0; i < sizeof program_keys / sizeof *program_keys; ++i)
        pthread_key_create(&program_keys[i], NULL);
}
// Before the library's constructor, so that its key comes after these.
__attribute__((section(".preinit_array"), used)) static void (*const make_keys_first)(void) = make_keys;
