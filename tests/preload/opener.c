// opener LIBRARY: opens it.
#include <dlfcn.h>

#include "probe.h"

int main(int count, char** arguments) {
    CHECK(count == 2 && dlopen(arguments[1], RTLD_NOW) != NULL);
    return 0;
}
