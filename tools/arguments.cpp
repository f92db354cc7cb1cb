#include "tools/arguments.h"

#include <charconv>
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

template <typename Number>
Number Arguments::number(Number least, Number most, const std::string& rule) {
    const std::string text = value();
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && at == end && number >= least && number <= most) return number;
    throw BadUsage(name_ + " takes " + rule + ", not '" + text + "'");
}

double Arguments::seconds(double least, double most) {
    char rule[96];
    std::snprintf(rule, sizeof rule, "seconds from %g to %g", least, most);
    return number(least, most, rule);
}

std::uint64_t Arguments::whole_number(std::uint64_t least, std::uint64_t most) {
    return number(least, most,
                  "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}

void Arguments::refuse() const {
    throw BadUsage((operand_ ? "takes no operand '" : "there is no option '") + word_ + "'");
}

char** Arguments::program() { return rest_ - 1; }

}  // namespace tool
