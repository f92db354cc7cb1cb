// opens_lowest NUMBERS: what the program opens after it has allocated gets these numbers, in this order.
#include "probe.h"

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 2);
    for (size_t n = 0; n < 20000; ++n) free(make(n % 800, n));
    for (const char* number = argv[1]; *number != '\0'; ++number)
        CHECK(open("/dev/null", O_RDWR) == *number - '0');
    return 0;
}
