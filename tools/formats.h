// A snapshot as text for people, as JSON, and as Prometheus exposition text.
#pragma once

#include <string>

#include "tools/telemetry.h"

namespace tool {

inline constexpr int kJsonSchema = 1;

std::string text_of(const Telemetry& telemetry, const Snapshot& snapshot);
std::string json_of(const Telemetry& telemetry, const Snapshot& snapshot);
std::string prometheus_of(const Telemetry& telemetry, const Snapshot& snapshot);

}  // namespace tool
