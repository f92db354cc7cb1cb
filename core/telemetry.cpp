#include "telemetry.h"

#include <string.h>

#include "os.h"
#include "output.h"
#include "print.h"

namespace tslab {

constinit Telemetry telemetry;

namespace {

enum Section : unsigned { totals, classes, epochs_of_slabs, sections };

struct Layout {
    const char* name;
    const Column* columns;
    unsigned column_count;
    unsigned row_words;
    unsigned rows;
};
constexpr Layout kLayouts[sections] = {
    {"totals", columns::kTotals.of, columns::kTotals.length, kTotalWords, 1},
    {"classes", columns::kClasses.of, columns::kClasses.length, kClassWords, kClasses},
    {"epochs", columns::kEpoch, columns::size_of(columns::kEpoch), kEpochWords, kEpochRows},
};

constexpr const char* kRequestNames[] = {"trim", "publish", "profile"};

constexpr std::size_t kHeaderRoom = round_up(sizeof(TelemetryHeader), 256);
constexpr std::size_t section_bytes(const Layout& layout) {
    return layout.column_count * sizeof(TelemetryColumn) +
           layout.rows * layout.row_words * sizeof(std::uint64_t);
}
constexpr std::size_t file_bytes() {
    std::size_t total = kHeaderRoom;
    for (const Layout& layout : kLayouts) total += section_bytes(layout);
    return round_up(total, 65536);
}

constexpr bool helps_fit() {
    const auto fits = [](const Column& column) {
        std::size_t length = 0;
        while (column.help[length] != 0) length++;
        return length < sizeof TelemetryColumn::help;
    };
    for (const Layout& layout : kLayouts) {
        for (unsigned i = 0; i < layout.column_count; i++) {
            if (!fits(layout.columns[i])) return false;
        }
    }
    return true;
}
static_assert(helps_fit(), "a figure's help has its place in the file");
static_assert(sizeof TelemetryRequest::path >= kPathRoom, "so has the path of any file that is written");

template <std::size_t room>
void copy(char (&to)[room], const char* from) {
    strncpy(to, from, room - 1);
}

std::size_t write_section(std::byte* file, std::size_t at, TelemetrySection& section, const Layout& layout) {
    copy(section.name, layout.name);
    section.columns = layout.column_count;
    section.columns_offset = static_cast<std::uint32_t>(at);
    section.rows_offset = static_cast<std::uint32_t>(at + layout.column_count * sizeof(TelemetryColumn));
    section.row_words = layout.row_words;
    section.rows_capacity = layout.rows;
    auto* const written = reinterpret_cast<TelemetryColumn*>(file + at);
    unsigned first = 0;
    for (unsigned i = 0; i < layout.column_count; i++) {
        TelemetryColumn& column = written[i];
        copy(column.name, layout.columns[i].name);
        copy(column.help, layout.columns[i].help);
        column.kind = layout.columns[i].kind;
        column.words = static_cast<std::uint8_t>(columns::words_of(layout.columns[i]));
        column.first = static_cast<std::uint16_t>(first);
        first += column.words;
    }
    return at + section_bytes(layout);
}

void write_header(TelemetryHeader& header, const char* program) {
    header.version = kTelemetryVersion;
    header.file_bytes = file_bytes();
    header.pid = os::process_id();
    header.process_start = os::process_start();
    header.started_ns = os::wall_clock_ns();
    header.page_bytes = region.page_bytes();
    copy(header.program, program);
    copy(header.library_version, TSLAB_VERSION);
    header.sections = sections;
    header.requests = static_cast<unsigned>(TelemetryRequestKind::count);
    for (unsigned i = 0; i < header.requests; i++) copy(header.request[i].name, kRequestNames[i]);
    std::size_t at = kHeaderRoom;
    for (unsigned i = 0; i < sections; i++) {
        at = write_section(reinterpret_cast<std::byte*>(&header), at, header.section[i], kLayouts[i]);
    }
    memcpy(header.magic, kTelemetryMagic, sizeof header.magic);
}

// Every word with release: a reader that finds a new one finds `sequence` odd, or further on, at its second
// look. An acquire on setting `sequence` would not keep the words from being seen before it; a fence would,
// but TSan cannot follow one.
template <std::size_t words>
void copy_row(std::uint64_t* to, const std::uint64_t (&from)[words]) {
    for (std::size_t i = 0; i < words; i++) __atomic_store_n(to + i, from[i], __ATOMIC_RELEASE);
}

// folder + name of the process's file + ending; false where that is too long.
bool make_path(char (&path)[kPathRoom], const char* folder, const char* ending) {
    char pattern[kPathRoom];
    const std::size_t length = strlen(folder);
    if (length + 32 > kPathRoom) return false;
    memcpy(pattern, folder, length);
    memcpy(pattern + length, "/tslab.%p", 10);
    expand_path(pattern, path);
    if (strlen(path) + strlen(ending) + 1 > kPathRoom) return false;
    strcat(path, ending);
    return true;
}

}  // namespace

bool Telemetry::open(const char* folder, const char* program) {
    char meanwhile[kPathRoom];
    void* memory = nullptr;
    long failure = -1;
    const bool named = make_path(path_, folder, "") && make_path(meanwhile, folder, ".new");
    if (named) {
        char expanded[kPathRoom];
        expand_path(folder, expanded);
        os::make_folder(expanded);
        os::remove_file(meanwhile);
        failure = os::create_shared_file(meanwhile, file_bytes(), memory);
    }
    if (failure == 0) {
        auto* const header = static_cast<TelemetryHeader*>(memory);
        write_header(*header, program);
        if (os::rename_file(meanwhile, path_)) {
            header_ = header;
            return true;
        }
        os::unreserve(memory, file_bytes());
    }
    if (named) os::remove_file(meanwhile);
    Line()
        .text("TSLAB_TELEMETRY: no file can be made in ")
        .text(folder)
        .text("; nothing is published")
        .send();
    return false;
}

TelemetryRequest& Telemetry::request(TelemetryRequestKind kind) const {
    return header_->request[static_cast<unsigned>(kind)];
}

std::uint64_t Telemetry::asked(TelemetryRequestKind kind) const {
    const TelemetryRequest& of = request(kind);
    const std::uint64_t number = of.asked.load(std::memory_order_acquire);  // pairs with the reader's add
    return number != of.done.load(std::memory_order_relaxed) ? number : 0;
}

void Telemetry::answer(TelemetryRequestKind kind, std::uint64_t number, std::uint64_t value,
                       const char* path) {
    TelemetryRequest& of = request(kind);
    copy(of.path, path);
    of.value.store(value, std::memory_order_relaxed);
    // Pairs with the reader that waits for it, and reads the value then.
    of.done.store(number, std::memory_order_release);
}

std::uint64_t* Telemetry::row(unsigned section, unsigned i) const {
    const TelemetrySection& of = header_->section[section];
    auto* const rows =
        reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(header_) + of.rows_offset);
    return rows + std::size_t{i} * of.row_words;
}

void Telemetry::publish(const Survey& survey) {
    const std::uint64_t before = header_->sequence.load(std::memory_order_relaxed);
    header_->sequence.store(before + 1, std::memory_order_relaxed);

    std::uint64_t total[kTotalWords];
    survey.total_row(total);
    copy_row(row(totals, 0), total);
    std::uint64_t of_class[kClassWords];
    unsigned used = 0;
    for (unsigned c = 0; c < kClasses; c++) {
        if (survey.class_row(c, of_class)) copy_row(row(classes, used++), of_class);
    }
    std::uint64_t of_epoch[kEpochWords];
    for (unsigned i = 0; i < survey.epochs(); i++) {
        survey.epoch_row(i, of_epoch);
        copy_row(row(epochs_of_slabs, i), of_epoch);
    }
    step(Step::rows_published);
    header_->section[totals].rows.store(1, std::memory_order_release);
    header_->section[classes].rows.store(used, std::memory_order_release);
    header_->section[epochs_of_slabs].rows.store(survey.epochs(), std::memory_order_release);
    header_->published_ns.store(os::wall_clock_ns(), std::memory_order_release);
    header_->sequence.store(before + 2, std::memory_order_release);  // pairs with a reader's first look
}

void Telemetry::close() {
    if (!is_open()) return;
    os::remove_file(path_);
    forget();
}

void Telemetry::forget() {
    if (!is_open()) return;
    os::unreserve(header_, file_bytes());
    header_ = nullptr;
}

}  // namespace tslab
