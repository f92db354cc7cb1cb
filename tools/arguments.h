// The words of a command line, one at a time: options written --name, --name=value or --name value, and
// operands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/command.h"

namespace tool {

class Arguments {
  public:
    explicit Arguments(char** words) : rest_(words) {}

    // Moves on to the next word; false at the end. Refuses a value that nobody asked of the last option.
    // After the word -- every word is an operand.
    bool next();

    bool is_operand() const { return operand_; }
    bool is(std::string_view name) const { return !operand_ && name_ == name; }
    const std::string& word() const { return word_; }  // as it was written
    const std::string& name() const { return name_; }  // without the value

    bool has_value() const { return has_value_; }  // written with =
    std::string value();
    double seconds(double least, double most);
    std::uint64_t whole_number(std::uint64_t least, std::uint64_t most);

    [[noreturn]] void refuse() const;

    // A program and its arguments: this operand, or what stands behind --, and all that follows. Null where
    // there is none.
    char** program();

  private:
    template <typename Number>
    Number number(Number least, Number most, const std::string& rule);

    char** rest_;
    std::string word_;
    std::string name_;
    std::string value_;
    bool has_value_ = false;
    bool operand_ = false;
    bool only_operands_ = false;
};

}  // namespace tool
