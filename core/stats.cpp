#include "stats.h"

namespace tslab {

constinit Stats stats;
constinit thread_local unsigned char slow_causes;

void Stats::judge_call_slow(std::size_t c) {
    const unsigned causes = slow_causes;
    slow_causes = 0;
    add_in(c, (causes & kCalledSystem) != 0 ? Figure::slow_system_calls
              : (causes & kOpenedNew) != 0  ? Figure::slow_new_slabs
              : (causes & kTookPurged) != 0 ? Figure::slow_purged_slabs
                                            : Figure::slow_locks);
}

}  // namespace tslab
