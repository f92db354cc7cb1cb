// The telemetry file: what TSLAB_TELEMETRY=DIR puts into DIR/tslab.PID, for other processes to map and read.
// Stands alone, so that a reader needs nothing else of ours. The file says itself what is in it: sections of
// rows of 64-bit words, each word named by a column, so a reader of one build reads the files of another.
//
//   offset 0                      TelemetryHeader
//   section.columns_offset        section.columns × TelemetryColumn
//   section.rows_offset           section.rows_capacity × section.row_words words; section.rows rows count
//
// Sections, by name. Look up by name what you need; skip what you do not know.
//
//   "totals"   one row: every figure of the process
//   "classes"  a row for each size class that was ever used; key "class_bytes"
//   "epochs"   a row for each epoch that has slabs, the oldest first; key "epoch"
//
// Reading. Rows, section.rows and published_ns change together, under `sequence`: odd while they are being
// written. Copy between two equal even values, an acquire load before and an acquire fence and a load after.
// A writer never waits for a reader. It writes in microseconds; one that was stopped meanwhile leaves it odd.
//
// Whose file it is. The process is the one numbered `pid` (in its own PID namespace) whose start time, field
// 22 of /proc/PID/stat, is `process_start`. Where there is none the file is stale, and anybody may remove it.
// It is there under its name only once it is complete; a process removes its own at exit.
//
// Asking. A reader adds one to `asked` of a request, and is answered when `done` has reached the value it
// made: the process does what was asked in one of its next slow calls, which is soon in a process that
// allocates and never in one that does not. `value` is the answer, of the latest request done.
//
//   "trim"     give back every page without an object; value: bytes given back
//   "publish"  bring the figures up to date
//   "profile"  write the files of TSLAB_PROFILE; value: 1, or 0 where nothing is sampled or one could not be
//              written; path: of the heap profile
#pragma once

#include <atomic>
#include <cstdint>

namespace tslab {

inline constexpr char kTelemetryMagic[8] = "TSLABTM";
// Columns, sections and requests may come and go within a version.
inline constexpr std::uint32_t kTelemetryVersion = 2;

enum class ColumnKind : std::uint8_t {
    key,      // tells rows apart
    counter,  // only grows
    gauge,
    text,  // `words` words of characters, ended by a 0 or full
};

struct TelemetryColumn {
    char name[32];  // ended by a 0, as all texts here
    char help[88];
    ColumnKind kind;
    std::uint8_t words;   // 1 but for texts
    std::uint16_t first;  // its first word within the row
    std::uint32_t reserved;
};

struct TelemetrySection {
    char name[16];
    std::uint32_t columns_offset;  // in bytes from the start of the file, as all offsets
    std::uint32_t columns;
    std::uint32_t rows_offset;
    std::uint32_t row_words;
    std::uint32_t rows_capacity;
    std::atomic<std::uint32_t> rows;  // in use; changes under `sequence`
    std::uint64_t reserved;
};

struct TelemetryRequest {
    char name[16];
    std::atomic<std::uint64_t> asked;  // readers
    std::atomic<std::uint64_t> done;   // the process, as all below; written last, with release
    std::atomic<std::uint64_t> value;
    char path[256];
};

struct TelemetryHeader {
    char magic[8];
    std::uint32_t version;
    std::uint32_t file_bytes;
    std::int64_t pid;
    std::uint64_t process_start;  // clock ticks after boot
    std::uint64_t started_ns;     // CLOCK_REALTIME when the file was made
    std::uint64_t page_bytes;
    char program[64];  // the name it was started by, without folders
    char library_version[16];
    std::uint32_t sections;  // in use, of those below
    std::uint32_t requests;
    std::atomic<std::uint64_t> sequence;      // odd while rows are being written
    std::atomic<std::uint64_t> published_ns;  // CLOCK_REALTIME of the latest figures
    std::uint64_t reserved[16];
    TelemetrySection section[8];
    TelemetryRequest request[8];
};

static_assert(sizeof(TelemetryColumn) == 128 && sizeof(TelemetrySection) == 48, "the file's format");
static_assert(sizeof(TelemetryRequest) == 296 && sizeof(TelemetryHeader) == 3032, "the file's format");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

}  // namespace tslab
