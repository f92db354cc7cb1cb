// Folded call stacks, one a line with its weight behind it, and their flame graph as inline SVG.
#pragma once

#include <string>

namespace tool {

// Whether every line that is no comment ends in a number and there is one.
bool is_folded(const std::string& text);

std::string flame_graph(const std::string& folded);

}  // namespace tool
