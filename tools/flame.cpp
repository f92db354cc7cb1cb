#include "tools/flame.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <sstream>

#include "tools/chart.h"
#include "tools/figures.h"

namespace tool {
namespace {

constexpr double kWidth = 1100;
constexpr double kRow = 18;
constexpr double kLeastWidth = 0.3;  // narrower frames cannot be seen
constexpr double kCharacter = 6.6;
constexpr std::uint64_t kMostWeight = std::uint64_t{1} << 48;  // more bytes than there are addresses

// A frame and what was called from it, each with the weight of the stacks through it.
struct Frame {
    std::uint64_t weight = 0;
    std::map<std::string, Frame> callees;

    unsigned depth() const {
        unsigned deepest = 0;
        for (const auto& [name, callee] : callees) deepest = std::max(deepest, callee.depth());
        return deepest + 1;
    }
};

// A line's stack and weight; false where it has no weight, or no possible one.
bool split(const std::string& line, std::string& stack, std::uint64_t& weight) {
    const std::size_t space = line.rfind(' ');
    if (space == std::string::npos || space == 0) return false;
    const char* const end = line.data() + line.size();
    const auto [read_to, error] = std::from_chars(line.data() + space + 1, end, weight);
    if (error != std::errc() || read_to != end || weight > kMostWeight) return false;
    stack = line.substr(0, space);
    return true;
}

// The same name has the same colour, whatever else is in the graph.
std::string colour_of(const std::string& name) {
    const std::size_t hash = std::hash<std::string>{}(name);
    char text[32];
    std::snprintf(text, sizeof text, "hsl(%u,75%%,%u%%)", static_cast<unsigned>(hash % 50),
                  static_cast<unsigned>(58 + hash / 64 % 14));
    return text;
}

class Drawing {
  public:
    explicit Drawing(const Frame& root) : total_(root.weight), height_(root.depth() * kRow) {}

    void draw(const std::string& name, const Frame& frame, double x, unsigned level) {
        const double width = static_cast<double>(frame.weight) / static_cast<double>(total_) * kWidth;
        if (width < kLeastWidth) return;
        const double y = height_ - (level + 1) * kRow;
        char box[160];
        std::snprintf(box, sizeof box, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"",
                      x, y, width, kRow - 1);
        svg_ += "<g>" + (box + colour_of(name)) + "\"/><title>" + escaped(name) + ": " +
                bytes_text(frame.weight) + ", " + percent_text(ratio(frame.weight, total_)) + "</title>";
        const auto room = static_cast<std::size_t>(std::max(0.0, (width - 6) / kCharacter));
        if (room >= 3) {
            char place[64];
            std::snprintf(place, sizeof place, "<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + 13);
            svg_ += place + escaped(name.size() <= room ? name : name.substr(0, room - 2) + "..") + "</text>";
        }
        svg_ += "</g>\n";
        for (const auto& [callee_name, callee] : frame.callees) {
            draw(callee_name, callee, x, level + 1);
            x += static_cast<double>(callee.weight) / static_cast<double>(total_) * kWidth;
        }
    }

    std::string svg() const {
        char head[128];
        std::snprintf(head, sizeof head, "<svg class=\"flame\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n",
                      kWidth, height_);
        return head + svg_ + "</svg>\n";
    }

  private:
    std::uint64_t total_;
    double height_;
    std::string svg_;
};

}  // namespace

bool is_folded(const std::string& text) {
    std::istringstream lines(text);
    bool any = false;
    std::string stack;
    std::uint64_t weight = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        if (!split(line, stack, weight)) return false;
        any = true;
    }
    return any;
}

std::string flame_graph(const std::string& folded) {
    Frame root;
    std::istringstream lines(folded);
    std::string stack;
    std::uint64_t weight = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#' || !split(line, stack, weight)) continue;
        root.weight += weight;
        Frame* at = &root;
        std::istringstream frames(stack);
        for (std::string name; std::getline(frames, name, ';');) {
            at = &at->callees[name];
            at->weight += weight;
        }
    }
    if (root.weight == 0) return "<p>No stack has any weight.</p>\n";
    Drawing drawing(root);
    drawing.draw("all", root, 0, 0);
    return drawing.svg();
}

}  // namespace tool
