/* The C API from a program that is linked to a fixed address. */
#include "api.c"
