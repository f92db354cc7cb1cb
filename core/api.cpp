#include "core/include/temporal_slab.h"

#include "allocator.h"

TSLAB_EXPORT const char* tslab_version() { return TSLAB_VERSION; }

TSLAB_EXPORT int tslab_owns(const void* pointer) {
    return tslab::owns(pointer) && tslab::still_owns(pointer);
}
