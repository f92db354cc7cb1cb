// The life of the process, as far as the entry points have a part in it.
#pragma once

#include "core/base.h"

namespace tslab {

// As start() in core/allocator.h, once the next allocator is known: by the first call that finds the library
// unstarted, or `now`, by the library's constructor. Any thread.
TSLAB_COLD void start_process(bool now);

}  // namespace tslab
