/* The C API from a library that a program opens. */
#include "api.h"

int plugin_uses_api(const char* mode) { return use_api(mode); }
