// Opened with RTLD_DEEPBIND, its malloc and free are the C library's own unless that flag is cleared.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void plugin_free(void* p);
void plugin_free(void* p) { free(p); }

void* plugin_malloc(size_t n);
void* plugin_malloc(size_t n) { return malloc(n); }

char* plugin_strdup(const char* text);
char* plugin_strdup(const char* text) { return strdup(text); }
