// A driver is a list of named cases. Each case runs in a process of its own and prints rows of one CSV table:
// driver,case,metric,value,unit. Lower is better in every metric that compare shows as a ratio.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

class Driver;

struct Case {
    char name[48];
    void (*run)(Driver&, const Case&);
    std::size_t count;  // what the driver varies: a size, a depth, a number of live objects
    unsigned threads;
};

class Driver {
  public:
    Driver(const char* name, const char* summary) : name_(name), summary_(summary) {}

    [[gnu::format(printf, 5, 6)]] void add(void (*run)(Driver&, const Case&), std::size_t count,
                                           unsigned threads, const char* name_format, ...);

    // Parses the arguments, runs the cases asked for and returns the exit status of the process.
    int main(int argc, char** argv);

    // For the case that is running.
    std::uint64_t seed() const { return seed_; }
    std::size_t scaled(std::size_t operations) const;  // by --effort, never to nothing
    void row(const char* metric, double value, const char* unit) const;
    // One of a line over time: a row whose metric is LINE@WHEN.
    void point(const char* line, std::size_t when, double value, const char* unit) const;

  private:
    static constexpr std::size_t max_cases = 64;

    bool parse(int argc, char** argv);
    void print_help() const;
    void print_heading(int argc, char** argv) const;
    const Case* find(const char* name) const;
    int run_apart(const Case& one) const;

    const char* name_;
    const char* summary_;
    Case cases_[max_cases] = {};
    std::size_t case_count_ = 0;

    std::uint64_t seed_ = 1;
    double effort_ = 1.0;
    const char* only_ = nullptr;
    bool rows_only_ = false;
    bool list_ = false;
    bool help_ = false;
    const Case* running_ = nullptr;
};

// The processors this process may use.
unsigned core_count();

}  // namespace bench
