#include "tools/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <limits>

#include "tools/figures.h"

namespace tool {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 340;
constexpr double kLeft = 70;
constexpr double kRight = 190;  // the legend
constexpr double kTop = 34;
constexpr double kBottom = 44;

std::string write(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string write(const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
    return write("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + escaped(text) +
           "</text>\n";
}

// The least of 1, 2, 5 times a power of the base's that cuts `span` into at most `most` steps.
double step_of(double span, unsigned most, double base) {
    double step = base == 10 ? std::pow(10, std::floor(std::log10(span / most)))
                             : std::pow(2, std::floor(std::log2(span / most)));
    if (step <= 0) return span;  // too small to be cut
    while (span / step > most) step *= base == 10 && span / step > 2.5 * most ? 5 : 2;
    return step;
}

// Where values and moments stand on the page.
class Axes {
  public:
    Axes(const Chart& chart, const std::vector<std::vector<Point>>& tops) : chart_(chart) {
        bool first = true;
        for (const auto& points : tops) {
            for (const Point& point : points) {
                if (first) {
                    least_x_ = most_x_ = point.x;
                    most_ = point.y;
                    least_ = point.y;
                    first = false;
                }
                least_x_ = std::min(least_x_, point.x);
                most_x_ = std::max(most_x_, point.x);
                most_ = std::max(most_, point.y);
                least_ = std::min(least_, point.y);
            }
        }
        if (most_x_ <= least_x_) most_x_ = least_x_ + 1;
        if (chart_.logarithmic) {
            least_ = std::pow(10, std::floor(std::log10(std::max(least_, 1.0))));
            most_ = std::pow(10, std::ceil(std::log10(std::max(most_, least_ * 10))));
        } else {
            least_ = 0;
            if (most_ <= 0) most_ = 1;
            step_ = step_of(most_, 6, chart_.unit == Unit::bytes ? 2 : 10);
            most_ = std::ceil(most_ / step_) * step_;
        }
    }

    double x(double moment) const {
        return kLeft + (moment - least_x_) / (most_x_ - least_x_) * (kWidth - kLeft - kRight);
    }
    double y(double value) const {
        const double part = chart_.logarithmic
                                ? std::log10(std::max(value, least_) / least_) / std::log10(most_ / least_)
                                : value / most_;
        return kHeight - kBottom - part * (kHeight - kTop - kBottom);
    }

    std::string svg() const {
        std::string text;
        // The infinite would be reached, and never passed.
        const double end = std::min(most_ * 1.001, std::numeric_limits<double>::max());
        if (chart_.logarithmic) {
            for (double value = least_; value <= end; value *= 10) text += line_at(value);
        } else {
            for (double value = 0; value <= end; value += step_) text += line_at(value);
        }
        const double bottom = kHeight - kBottom + 16;
        if (chart_.categories.empty()) {
            constexpr unsigned most = 8;
            const double step = step_of(most_x_ - least_x_, most, 10);
            const double first = std::ceil(least_x_ / step) * step;
            for (unsigned i = 0; i <= most && first + i * step <= most_x_ * 1.0001; i++)
                text += label(x(first + i * step), bottom, "middle", write("%g", first + i * step));
        } else {
            for (std::size_t i = 0; i < chart_.categories.size(); i++)
                text += label(x(static_cast<double>(i)), bottom, "middle", chart_.categories[i]);
        }
        return text + label((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", chart_.x_title);
    }

  private:
    std::string line_at(double value) const {
        return write("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", kLeft,
                     kWidth - kRight, y(value), y(value)) +
               label(kLeft - 6, y(value) + 4, "end", value_text(value, chart_.unit));
    }

    const Chart& chart_;
    double least_x_ = 0;
    double most_x_ = 1;
    double least_ = 0;
    double most_ = 1;
    double step_ = 1;
};

std::string path_of(const Axes& axes, const std::vector<Point>& points) {
    std::string path;
    for (const Point& point : points)
        path += write("%s%.1f %.1f", path.empty() ? "M" : "L", axes.x(point.x), axes.y(point.y));
    return path;
}

// The upper edges of areas that stand upon each other.
std::vector<std::vector<Point>> stacked_tops(const std::vector<Series>& series) {
    std::vector<std::vector<Point>> tops;
    for (const Series& each : series) {
        std::vector<Point> top = each.points;
        for (std::size_t i = 0; i < top.size() && !tops.empty(); i++) top[i].y += tops.back()[i].y;
        tops.push_back(std::move(top));
    }
    return tops;
}

}  // namespace

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                if (static_cast<unsigned char>(c) >= 0x20) out += c;
        }
    }
    return out;
}

const char* colour(std::size_t i) {
    constexpr const char* kColours[] = {"#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd",
                                        "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f"};
    return kColours[i % std::size(kColours)];
}

std::string value_text(double value, Unit unit) {
    switch (unit) {
        case Unit::bytes:
            return bytes_text(static_cast<std::uint64_t>(std::max(value, 0.0)));
        case Unit::share:
            return percent_text(value);
        case Unit::nanoseconds:
            return value < 1000  ? write("%.0f ns", value)
                   : value < 1e6 ? write("%.3g µs", value / 1e3)
                                 : write("%.3g ms", value / 1e6);
        case Unit::count:
            break;
    }
    return value < 10 && value != std::floor(value) ? write("%.2f", value) : count_text(value);
}

std::string Chart::svg() const {
    std::vector<std::vector<Point>> tops;
    if (stacked) {
        tops = stacked_tops(series);
    } else {
        for (const Series& each : series) tops.push_back(each.points);
    }
    const bool empty =
        std::all_of(tops.begin(), tops.end(), [](const auto& points) { return points.empty(); });
    if (empty) return "";
    const Axes axes(*this, tops);
    std::string text = write("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", kWidth, kHeight);
    text +=
        "<text class=\"title\" x=\"" + write("%.0f", kLeft) + "\" y=\"20\">" + escaped(title) + "</text>\n";
    text += axes.svg();
    for (std::size_t i = series.size(); i-- > 0;) {
        const std::vector<Point>& points = tops[i];
        if (points.empty()) continue;
        const std::string path = path_of(axes, points);
        const std::string last = value_text(series[i].points.back().y, unit);
        const std::string hint = "<title>" + escaped(series[i].name) + ": " + last + " at the end</title>";
        if (stacked) {
            text += write("<path fill=\"%s\" d=\"", colour(i)) + path;
            text += write("L%.1f %.1fL%.1f %.1fZ\">", axes.x(points.back().x), axes.y(0),
                          axes.x(points.front().x), axes.y(0)) +
                    hint + "</path>\n";
        } else {
            text += write("<path class=\"line\" stroke=\"%s\" d=\"", colour(i)) + path + "\">" + hint +
                    "</path>\n";
            if (!categories.empty() || points.size() == 1)
                for (const Point& point : points)
                    text += write(
                        "<circle r=\"3\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"><title>%s</title></circle>\n",
                        colour(i), axes.x(point.x), axes.y(point.y), value_text(point.y, unit).c_str());
        }
    }
    for (std::size_t i = 0; i < series.size(); i++) {
        const double at = kTop + 18 * static_cast<double>(stacked ? series.size() - 1 - i : i);
        text += write("<rect x=\"%.0f\" y=\"%.0f\" width=\"11\" height=\"11\" fill=\"%s\"/>",
                      kWidth - kRight + 14, at, colour(i));
        text += label(kWidth - kRight + 30, at + 10, "start", series[i].name);
    }
    return text + "</svg>\n";
}

}  // namespace tool
