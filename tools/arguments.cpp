#include "tools/arguments.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace tool {

bool Arguments::next() {
    if (has_value_) throw BadUsage(name_ + " takes no value, not '" + value_ + "'");
    if (*rest_ == nullptr) {
        operand_ = false;
        return false;
    }
    word_ = *rest_++;
    if (!only_operands_ && word_ == "--") {
        only_operands_ = true;
        return next();
    }
    operand_ = only_operands_ || word_.size() < 2 || word_[0] != '-';
    const std::size_t equals = operand_ ? std::string::npos : word_.find('=');
    name_ = word_.substr(0, equals);
    has_value_ = equals != std::string::npos;
    value_ = has_value_ ? word_.substr(equals + 1) : "";
    return true;
}

std::string Arguments::value() {
    if (has_value_) {
        has_value_ = false;
        return value_;
    }
    if (*rest_ == nullptr) throw BadUsage(name_ + " takes a value");
    return *rest_++;
}

double Arguments::number(double least, double most, const char* what) {
    const std::string text = value();
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && at == end && number >= least && number <= most) return number;
    char rule[96];
    std::snprintf(rule, sizeof rule, "%s from %g to %g", what, least, most);
    throw BadUsage(name_ + " takes " + rule + ", not '" + text + "'");
}

double Arguments::seconds(double least, double most) { return number(least, most, "seconds"); }

std::uint64_t Arguments::whole_number(std::uint64_t least, std::uint64_t most) {
    const double wanted = number(static_cast<double>(least), static_cast<double>(most), "a number");
    if (wanted != std::floor(wanted)) throw BadUsage(name_ + " takes a whole number");
    return static_cast<std::uint64_t>(wanted);
}

void Arguments::refuse() const {
    throw BadUsage((operand_ ? "takes no operand '" : "there is no option '") + word_ + "'");
}

char** Arguments::program() { return rest_ - 1; }

}  // namespace tool
