// starts_closed NUMBERS PROGRAM ARGUMENT…: runs a program that finds these files closed.
#include "probe.h"

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc > 2);
    for (const char* number = argv[1]; *number != '\0'; ++number) close(*number - '0');
    execv(argv[2], argv + 2);
    return 127;
}
