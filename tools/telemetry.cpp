#include "tools/telemetry.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "tools/command.h"
#include "tools/processes.h"

namespace tool {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

constexpr int kSnapshotTries = 500;
constexpr auto kBetweenTries = std::chrono::milliseconds(1);

template <std::size_t N>
std::string text_of(const char (&characters)[N]) {
    return std::string(characters, strnlen(characters, N));
}

// Another process writes these words while we read them.
std::uint64_t load(const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

}  // namespace

const Column* Table::column(std::string_view column_name) const {
    for (const Column& column : columns)
        if (column.name == column_name) return &column;
    return nullptr;
}

std::uint64_t Table::number(std::size_t row, const Column& column) const {
    return words.at(row * row_words + column.first);
}

std::string Table::text(std::size_t row, const Column& column) const {
    const auto* const from = reinterpret_cast<const char*>(&words.at(row * row_words + column.first));
    return std::string(from, strnlen(from, column.words * sizeof(std::uint64_t)));
}

std::uint64_t Table::number(std::size_t row, std::string_view column_name) const {
    const Column* const found = column(column_name);
    return found == nullptr || row >= rows() ? 0 : number(row, *found);
}

const Table& Snapshot::table(std::string_view name) const {
    static const Table none;
    for (const Table& table : tables)
        if (table.name == name) return table;
    return none;
}

Telemetry::Telemetry(const std::string& path, pid_t pid) : path_(path), pid_(pid) {
    int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    writable_ = file >= 0;
    if (file < 0 && (errno == EACCES || errno == EROFS)) file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail_with_errno(path, errno);
    struct stat status;
    const bool known = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    bytes_ = known ? static_cast<std::size_t>(status.st_size) : 0;
    void* memory = MAP_FAILED;
    if (bytes_ >= sizeof(tslab::TelemetryHeader)) {
        const int access = writable_ ? PROT_READ | PROT_WRITE : PROT_READ;
        memory = mmap(nullptr, bytes_, access, MAP_SHARED, file, 0);
    }
    close(file);
    if (memory == MAP_FAILED) throw Failure(path + " is no telemetry file");
    header_ = static_cast<tslab::TelemetryHeader*>(memory);
    try {
        check();
    } catch (...) {
        munmap(header_, bytes_);
        throw;
    }
}

Telemetry::~Telemetry() {
    if (header_ != nullptr) munmap(header_, bytes_);
}

Telemetry::Telemetry(Telemetry&& other) noexcept
    : path_(std::move(other.path_)),
      pid_(other.pid_),
      header_(std::exchange(other.header_, nullptr)),
      bytes_(other.bytes_),
      writable_(other.writable_) {}

// What is fixed once the file is there. Everything read later lies inside what this has measured.
void Telemetry::check() const {
    const tslab::TelemetryHeader& h = header();
    if (std::memcmp(h.magic, tslab::kTelemetryMagic, sizeof h.magic) != 0)
        throw Failure(path_ + " is no telemetry file");
    if (h.version != tslab::kTelemetryVersion)
        throw Failure(path_ + " is of format " + std::to_string(h.version) + "; this command reads format " +
                      std::to_string(tslab::kTelemetryVersion));
    bool sound = h.sections <= std::size(h.section) && h.requests <= std::size(h.request);
    for (std::uint32_t i = 0; sound && i < h.sections; i++) {
        const tslab::TelemetrySection& s = h.section[i];
        const std::uint64_t columns_end =
            s.columns_offset + std::uint64_t{s.columns} * sizeof(tslab::TelemetryColumn);
        const std::uint64_t rows_end =
            s.rows_offset + std::uint64_t{s.rows_capacity} * s.row_words * sizeof(std::uint64_t);
        sound = columns_end <= bytes_ && s.rows_capacity <= bytes_ && rows_end <= bytes_ &&
                s.columns_offset % 8 == 0 && s.rows_offset % 8 == 0;
        const auto* const column = reinterpret_cast<const tslab::TelemetryColumn*>(at(s.columns_offset));
        for (std::uint32_t c = 0; sound && c < s.columns; c++)
            sound = column[c].words > 0 && column[c].first + column[c].words <= s.row_words;
    }
    if (!sound) throw Failure(path_ + " is damaged");
}

std::string Telemetry::program() const { return text_of(header().program); }
std::string Telemetry::library_version() const { return text_of(header().library_version); }

bool Telemetry::is_alive() const { return start_time(pid()) == header().process_start; }

Table Telemetry::describe(const tslab::TelemetrySection& section) const {
    Table table;
    table.name = text_of(section.name);
    table.row_words = section.row_words;
    const auto* const column = reinterpret_cast<const tslab::TelemetryColumn*>(at(section.columns_offset));
    for (std::uint32_t c = 0; c < section.columns; c++)
        table.columns.push_back({text_of(column[c].name), text_of(column[c].help), column[c].kind,
                                 column[c].words, column[c].first});
    return table;
}

Snapshot Telemetry::snapshot() const {
    const tslab::TelemetryHeader& h = header();
    Snapshot snapshot;
    for (std::uint32_t i = 0; i < h.sections; i++) snapshot.tables.push_back(describe(h.section[i]));
    for (int tries = 0; tries < kSnapshotTries; tries++) {
        const std::uint64_t before = h.sequence.load(std::memory_order_acquire);
        if (before % 2 == 0) {
            snapshot.published_ns = h.published_ns.load(std::memory_order_relaxed);
            for (std::uint32_t i = 0; i < h.sections; i++) {
                const tslab::TelemetrySection& section = h.section[i];
                const auto* const from = reinterpret_cast<const std::uint64_t*>(at(section.rows_offset));
                const std::uint32_t rows =
                    std::min(section.rows.load(std::memory_order_relaxed), section.rows_capacity);
                std::vector<std::uint64_t>& words = snapshot.tables[i].words;
                words.resize(std::size_t{rows} * section.row_words);
                for (std::size_t w = 0; w < words.size(); w++) words[w] = load(from[w]);
            }
            std::atomic_thread_fence(std::memory_order_acquire);
            if (h.sequence.load(std::memory_order_relaxed) == before) return snapshot;
        }
        std::this_thread::sleep_for(kBetweenTries);
    }
    throw Failure(path_ + ": its process stopped while it was writing figures");
}

tslab::TelemetryRequest* Telemetry::find_request(std::string_view name) {
    for (std::uint32_t i = 0; i < header().requests; i++)
        if (text_of(header_->request[i].name) == name) return &header_->request[i];
    return nullptr;
}

void Telemetry::ask_without_waiting(std::string_view name) {
    tslab::TelemetryRequest* const request = find_request(name);
    if (!writable_ || request == nullptr) return;
    // One question at a time is enough: whoever asked before us gets the answer we want.
    std::uint64_t done = request->done.load(std::memory_order_relaxed);
    if (request->asked.load(std::memory_order_relaxed) == done)
        request->asked.fetch_add(1, std::memory_order_release);
}

std::optional<Answer> Telemetry::ask(std::string_view name, std::chrono::duration<double> timeout) {
    tslab::TelemetryRequest* const request = find_request(name);
    if (request == nullptr)
        throw Failure("process " + std::to_string(pid()) + " does not know how to " + std::string(name));
    if (!writable_) throw Failure(path_ + " may not be written");
    const std::uint64_t mine = request->asked.fetch_add(1, std::memory_order_release) + 1;
    const auto end = steady_clock::now() + timeout;
    while (request->done.load(std::memory_order_acquire) < mine) {
        if (steady_clock::now() >= end || !is_alive()) return std::nullopt;
        std::this_thread::sleep_for(kBetweenTries);
    }
    return Answer{request->value.load(std::memory_order_relaxed), text_of(request->path)};
}

namespace {

std::string telemetry_directory() {
    const char* const directory = std::getenv("TSLAB_TELEMETRY");
    return directory != nullptr ? directory : "";
}

bool is_number(const std::string& text) {
    return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string telemetry_of(pid_t pid) {
    const std::string number = std::to_string(pid);
    if (!is_alive(pid)) throw Failure("there is no process " + number);
    const std::optional<Process> process = look_at(pid);
    if (process && !process->telemetry.empty()) return process->telemetry;
    const std::string file = telemetry_directory() + "/tslab." + number;
    if (fs::exists(file)) return file;
    if (!process) throw Failure("the memory map of process " + number + " may not be read");
    if (process->library.empty()) throw Failure("process " + number + " does not have the library loaded");
    throw Failure(
        "process " + number + " has no telemetry: start it with TSLAB_TELEMETRY=DIR" +
        (has_reservation(pid) ? "" : ", and let the library serve it (it passes every call through)"));
}

}  // namespace

Telemetry open_telemetry(const std::string& target) {
    if (!is_number(target)) return Telemetry(target);
    const pid_t pid = std::stoi(target);
    return Telemetry(telemetry_of(pid), pid);
}

std::vector<Telemetry> all_telemetry(const std::string& directory) {
    std::vector<std::pair<std::string, pid_t>> files;
    const std::string folder = directory.empty() ? telemetry_directory() : directory;
    if (folder.empty()) {
        for (const Process& process : processes_with_library())
            if (!process.telemetry.empty()) files.emplace_back(process.telemetry, process.pid);
    } else {
        std::error_code error;
        for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
            if (entry.path().filename().string().starts_with("tslab.")) files.emplace_back(entry.path(), 0);
        if (error) throw Failure(folder + ": " + error.message());
    }
    std::vector<Telemetry> found;
    for (const auto& [path, pid] : files) {
        try {
            Telemetry telemetry(path, pid);
            if (telemetry.is_alive()) found.push_back(std::move(telemetry));
        } catch (const Failure&) {
            // Gone meanwhile, or not ours to read.
        }
    }
    return found;
}

}  // namespace tool
