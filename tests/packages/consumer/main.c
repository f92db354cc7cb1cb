// Succeeds where the program's malloc, and what libc allocates for it, come from temporal-slab.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <temporal_slab.h>

int main(void) {
    char text[100] = "";
    memset(text, 'x', sizeof text - 1);
    void* const own = malloc(100);
    char* const copy = strdup(text);
    const int served = tslab_owns(own) && tslab_owns(copy) && !tslab_owns(text);
    free(copy);
    free(own);
    printf("%s\n", tslab_version());
    return served ? 0 : 1;
}
