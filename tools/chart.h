// Charts as inline SVG.
#pragma once

#include <string>
#include <vector>

namespace tool {

std::string escaped(const std::string& text);  // for HTML and SVG

struct Point {
    double x;
    double y;
};

struct Series {
    std::string name;
    std::vector<Point> points;  // by rising x
};

enum class Unit { bytes, count, share, nanoseconds };

std::string value_text(double value, Unit unit);

struct Chart {
    std::string title;
    std::string x_title;
    Unit unit = Unit::count;
    bool logarithmic = false;             // the values' axis
    bool stacked = false;                 // areas upon each other; all series have the same x
    std::vector<std::string> categories;  // what x 0, 1, 2… are called; else x are seconds
    std::vector<Series> series;

    // Nothing where there are no points.
    std::string svg() const;
};

// The colour of the i-th series.
const char* colour(std::size_t i);

}  // namespace tool
