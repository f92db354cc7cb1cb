/* The C API from a program: with the library, with it disabled, and without it. */
#include "api.h"

int main(int count, char** arguments) {
    return use_api(count > 1 ? arguments[1] : getenv("PROBE_PLAIN") ? "absent" : "active");
}
