#include "stats.h"

namespace tslab {

constinit Stats stats;

}  // namespace tslab
