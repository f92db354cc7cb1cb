// Writes a telemetry file as the library does, with figures that a test knows in advance, and answers what it
// is asked: telemetry_writer DIR [deaf|torn|named NAME|PATH]. It says "ready" and ends when its input does.
//
//   served   1000 for each time it published, a second after the time before, by its own account; a tenth of
//            that took the slow path
//   epochs   three, of which the open one is the last
//   deaf     answers nothing
//   torn     stopped while it was writing
//   named    its program is called NAME
//   PATH     of the heap profile that it says it has written
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "core/telemetry_format.h"

namespace {

using tslab::ColumnKind;

constexpr std::uint32_t kFileBytes = 1 << 16;
constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t now_ns() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t start_ticks() {
    char text[1024] = {};
    std::FILE* const file = std::fopen("/proc/self/stat", "r");
    if (file == nullptr || std::fread(text, 1, sizeof text - 1, file) == 0) std::abort();
    std::fclose(file);
    const char* at = std::strrchr(text, ')');
    for (int field = 2; field < 22; field++) at = std::strchr(at + 1, ' ');
    return std::strtoull(at, nullptr, 10);
}

class Writer {
  public:
    explicit Writer(const std::string& path) : path_(path) {
        const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (file < 0 || ftruncate(file, kFileBytes) != 0) std::abort();
        void* const memory = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) std::abort();
        header_ = static_cast<tslab::TelemetryHeader*>(memory);
        used_ = sizeof *header_;
        header_->started_ns = now_ns() - 3600 * kSecond;
    }

    void begin_section(const char* name, std::uint32_t rows) {
        section_ = &header_->section[header_->sections++];
        std::strcpy(section_->name, name);
        section_->columns_offset = used_;
        section_->rows_capacity = rows;
        section_->rows = rows;
    }
    void add_column(const char* name, const char* help, ColumnKind kind) {
        auto* const column = reinterpret_cast<tslab::TelemetryColumn*>(at(used_));
        std::strcpy(column->name, name);
        std::strcpy(column->help, help);
        column->kind = kind;
        column->words = 1;
        column->first = static_cast<std::uint16_t>(section_->row_words++);
        section_->columns++;
        used_ += static_cast<std::uint32_t>(sizeof *column);
    }
    template <std::size_t N>
    std::uint64_t* end_section(const std::uint64_t (&words)[N]) {
        section_->rows_offset = used_;
        used_ += section_->rows_capacity * section_->row_words * 8;
        std::memcpy(at(section_->rows_offset), words, sizeof words);
        return reinterpret_cast<std::uint64_t*>(at(section_->rows_offset));
    }
    void add_request(const char* name) { std::strcpy(header_->request[header_->requests++].name, name); }
    void finish() {
        header_->version = tslab::kTelemetryVersion;
        header_->file_bytes = kFileBytes;
        header_->pid = getpid();
        header_->process_start = start_ticks();
        header_->page_bytes = 4096;
        std::strcpy(header_->program, "a \"writer\"");
        std::strcpy(header_->library_version, "9.8.7");
        std::memcpy(header_->magic, tslab::kTelemetryMagic, sizeof header_->magic);
    }
    tslab::TelemetryHeader& header() { return *header_; }
    void remove() { unlink(path_.c_str()); }

  private:
    char* at(std::uint32_t offset) { return reinterpret_cast<char*>(header_) + offset; }

    std::string path_;
    tslab::TelemetryHeader* header_;
    tslab::TelemetrySection* section_ = nullptr;
    std::uint32_t used_;
};

void publish(tslab::TelemetryHeader& header, std::uint64_t* totals) {
    header.sequence.fetch_add(1, std::memory_order_acq_rel);
    totals[0] += 1000;
    totals[1] += 100;
    header.published_ns = header.started_ns + totals[0] / 1000 * kSecond;
    header.sequence.fetch_add(1, std::memory_order_release);
}

void answer(tslab::TelemetryHeader& header, std::uint64_t* totals, const std::string& profile) {
    for (std::uint32_t i = 0; i < header.requests; i++) {
        tslab::TelemetryRequest& request = header.request[i];
        const std::uint64_t asked = request.asked.load(std::memory_order_acquire);
        if (asked == request.done.load(std::memory_order_relaxed)) continue;
        if (std::strcmp(request.name, "publish") == 0) publish(header, totals);
        if (std::strcmp(request.name, "trim") == 0) request.value = 3 << 20;
        if (std::strcmp(request.name, "profile") == 0 && !profile.empty())
            std::strcpy(request.path, profile.c_str());
        request.done.store(asked, std::memory_order_release);
    }
}

bool input_ended() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 1) > 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const std::string how = argc > 2 ? argv[2] : "";
    Writer writer(std::string(argv[1]) + "/tslab." + std::to_string(getpid()));

    writer.begin_section("totals", 1);
    writer.add_column("served", "requests served", ColumnKind::counter);
    writer.add_column("slow_path_hits", "calls that took the slow path", ColumnKind::counter);
    writer.add_column("resident_bytes", "bytes resident in slabs", ColumnKind::gauge);
    writer.add_column("live_bytes", "bytes of live slots", ColumnKind::gauge);
    writer.add_column("malloc_timed", "calls timed", ColumnKind::counter);
    writer.add_column("malloc_p50_ns", "time of half of them", ColumnKind::gauge);
    writer.add_column("malloc_p99_ns", "time of most", ColumnKind::gauge);
    writer.add_column("malloc_p99_99_ns", "time of nearly all", ColumnKind::gauge);
    std::uint64_t* const totals = writer.end_section({0, 0, 8 << 20, 6 << 20, 7000, 20, 1500, 15'000'000});

    writer.begin_section("classes", 2);
    writer.add_column("class_bytes", "bytes of a slot", ColumnKind::key);
    writer.add_column("live_objects", "live objects", ColumnKind::gauge);
    writer.end_section({64, 10, 96, 20});

    writer.begin_section("epochs", 3);
    writer.add_column("epoch", "number of the epoch", ColumnKind::key);
    writer.add_column("open", "1 while the epoch is open", ColumnKind::gauge);
    writer.add_column("resident_bytes", "bytes resident in its slabs", ColumnKind::gauge);
    writer.add_column("live_bytes", "bytes of live slots", ColumnKind::gauge);
    writer.end_section({1, 0, 2 << 20, 1 << 20, 2, 0, 2 << 20, 2 << 20, 3, 1, 4 << 20, 3 << 20});

    for (const char* request : {"trim", "publish", "profile"}) writer.add_request(request);
    publish(writer.header(), totals);
    writer.finish();
    if (how == "named") std::strcpy(writer.header().program, argv[3]);
    if (how == "torn") writer.header().sequence.fetch_add(1);
    std::puts("ready");
    std::fflush(stdout);
    while (!input_ended())
        if (how != "deaf" && how != "torn") answer(writer.header(), totals, how);
    writer.remove();
}
