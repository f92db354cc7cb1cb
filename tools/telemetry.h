// The telemetry file of a process: mapped, checked, copied out whole, and asked things.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/telemetry_format.h"

namespace tool {

struct Column {
    std::string name;
    std::string help;
    tslab::ColumnKind kind;
    unsigned words;
    unsigned first;
};

// One section's rows, as they were at one moment.
class Table {
  public:
    std::string name;
    std::vector<Column> columns;
    unsigned row_words = 0;
    std::vector<std::uint64_t> words;

    std::size_t rows() const { return row_words == 0 ? 0 : words.size() / row_words; }
    const Column* column(std::string_view column_name) const;
    std::uint64_t number(std::size_t row, const Column& column) const;
    std::string text(std::size_t row, const Column& column) const;

    // 0 where there is no such column or row.
    std::uint64_t number(std::size_t row, std::string_view column_name) const;
};

struct Snapshot {
    std::vector<Table> tables;
    std::uint64_t published_ns = 0;

    const Table& table(std::string_view name) const;  // an empty one where there is none
    std::uint64_t total(std::string_view column_name) const { return table("totals").number(0, column_name); }
};

struct Answer {
    std::uint64_t value;
    std::string path;
};

class Telemetry {
  public:
    // `pid` is its process's number here, where that may differ from the one it has in its own PID namespace.
    // Throws where it cannot be read, or is not such a file.
    explicit Telemetry(const std::string& path, pid_t pid = 0);
    ~Telemetry();
    Telemetry(Telemetry&& other) noexcept;
    Telemetry& operator=(Telemetry&&) = delete;

    const std::string& path() const { return path_; }
    pid_t pid() const { return pid_ != 0 ? pid_ : static_cast<pid_t>(header().pid); }
    std::string program() const;
    std::string library_version() const;
    std::uint64_t page_bytes() const { return header().page_bytes; }
    std::uint64_t started_ns() const { return header().started_ns; }

    // Whether the process that writes it is there.
    bool is_alive() const;

    // Throws where a writer stopped half-way.
    Snapshot snapshot() const;

    // Asks, and waits for the answer; none where it did not come in time. Throws where the file may not be
    // written or its process does not know the request.
    std::optional<Answer> ask(std::string_view request, std::chrono::duration<double> timeout);
    void ask_without_waiting(std::string_view request);

  private:
    const tslab::TelemetryHeader& header() const { return *header_; }
    void check() const;
    const char* at(std::uint32_t offset) const { return reinterpret_cast<const char*>(header_) + offset; }
    Table describe(const tslab::TelemetrySection& section) const;
    tslab::TelemetryRequest* find_request(std::string_view name);

    std::string path_;
    pid_t pid_;
    tslab::TelemetryHeader* header_ = nullptr;
    std::size_t bytes_ = 0;
    bool writable_ = false;
};

// The telemetry that PID|FILE means. Throws, with what to do, where there is none.
Telemetry open_telemetry(const std::string& target);

// What is in a directory, without stale files; all that can be found where it is empty. Files that cannot be
// read are left out.
std::vector<Telemetry> all_telemetry(const std::string& directory);

}  // namespace tool
