// The C API from C++.
#include "api.c"
