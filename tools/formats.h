// A snapshot as text for people, and as the JSON and the Prometheus exposition text that the library itself
// writes.
#pragma once

#include <string>

#include "tools/telemetry.h"

namespace tool {

inline constexpr int kJsonVersion = 1;

std::string text_of(const Telemetry& telemetry, const Snapshot& snapshot);
std::string json_of(const Telemetry& telemetry, const Snapshot& snapshot);
std::string prometheus_of(const Telemetry& telemetry, const Snapshot& snapshot);

}  // namespace tool
