#include "profile.h"

#include <string.h>

#include "epoch.h"
#include "options.h"
#include "os.h"
#include "print.h"

namespace tslab {

constinit Profile profile;

namespace {

constexpr unsigned kTableRows = 50;

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(value + 0.5); }

// Large, and so not on anybody's stack; whoever writes.
constinit Output output{};
constinit Symbols symbols{};

// TSLAB_PROFILE_FILE and the ending, for this process.
void make_path(char (&path)[kPathRoom], const char* ending) {
    char pattern[kLongestPath + 16];
    const std::size_t length = strlen(options.profile_file.text);
    memcpy(pattern, options.profile_file.text, length);
    memcpy(pattern + length, ending, strlen(ending) + 1);
    expand_path(pattern, path);
}

template <typename Write>
bool write_file(const char* ending, Write write) {
    char path[kPathRoom];
    make_path(path, ending);
    bool complete = output.begin_file(path);
    if (complete) {
        write();
        complete = output.finish();
    }
    if (!complete) Line().text("cannot write the profile ").text(path).send();
    return complete;
}

void write_stack(const Site& site) {
    const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
    for (unsigned i = 0; i < depth; i++) {
        output.text("      ");
        symbols.write(output, site.frames[i].get());
        output.text("\n");
    }
}

void write_title(const char* what) {
    char name[64];
    os::started_name(name, sizeof name);
    output.text("# ").text(what).text(" of ").text(name).text(" (");
    output.number(static_cast<std::uint64_t>(os::process_id())).text("), in epoch ").number(epochs.current());
    output.text("; one sample for ").number(samples.rate()).text(" bytes on average\n");
}

// What is known of one site at one time.
struct Counts {
    std::uint64_t made, made_bytes, live, live_bytes;
};

Counts counts_of(const Site& site) {
    // Freed first: an object is counted as made before it can be freed. Acquire pairs with Samples::remove.
    const std::uint64_t freed = site.freed.load(std::memory_order_acquire);
    const std::uint64_t freed_bytes = site.freed_bytes.load(std::memory_order_acquire);
    const std::uint64_t made = site.made.load(std::memory_order_relaxed);
    const std::uint64_t made_bytes = site.made_bytes.load(std::memory_order_relaxed);
    return {made, made_bytes, made > freed ? made - freed : 0,
            made_bytes > freed_bytes ? made_bytes - freed_bytes : 0};
}

double weight_of(const Counts& counts) {
    return counts.made == 0
               ? 0
               : samples.weight(static_cast<double>(counts.made_bytes) / static_cast<double>(counts.made));
}

double made_bytes_of(unsigned site) {
    const Counts counts = counts_of(samples.site(site));
    return weight_of(counts) * static_cast<double>(counts.made_bytes);
}

// Which sites a table has; whoever writes.
constinit std::uint64_t listed[Samples::kSites / 64];

// The site that made the most bytes by now, of those that are not listed: it is from here on. -1 where there
// is none.
int list_largest() {
    double most = 0;
    int best = -1;
    for (unsigned i = 0; i < Samples::kSites; i++) {
        if ((listed[i / 64] >> i % 64 & 1) != 0) continue;
        const double bytes = made_bytes_of(i);
        if (bytes <= most) continue;
        most = bytes;
        best = static_cast<int>(i);
    }
    if (best >= 0) listed[best / 64] |= bit(static_cast<unsigned>(best % 64));
    return best;
}

void write_heap() {
    Counts all{};
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const Counts counts = counts_of(samples.site(i));
        all = {all.made + counts.made, all.made_bytes + counts.made_bytes, all.live + counts.live,
               all.live_bytes + counts.live_bytes};
    }
    const auto write_counts = [](const Counts& counts) {
        output.number(counts.live).text(": ").number(counts.live_bytes).text(" [");
        output.number(counts.made).text(": ").number(counts.made_bytes).text("] @");
    };
    output.text("heap profile: ");
    write_counts(all);
    output.text(" heap_v2/").number(samples.rate()).text("\n");
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const Site& site = samples.site(i);
        const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
        const Counts counts = counts_of(site);
        if (depth == 0 || counts.made == 0) continue;
        write_counts(counts);
        for (unsigned k = 0; k < depth; k++) output.text(" ").hex(site.frames[k].get());
        output.text("\n");
    }
    output.text("\nMAPPED_LIBRARIES:\n");
    const int maps = os::open_maps();
    char text[2048];
    for (long got = 1; maps >= 0 && got > 0;) {
        got = os::read_file(maps, text, sizeof text);
        if (got > 0) output.text(text, static_cast<std::size_t>(got));
    }
    if (maps >= 0) os::close_file(maps);
}

void write_pinners(const Pinners& pinners) {
    write_title("pinners");
    output.text("# Estimated from ").number(pinners.used()).text(" live samples in closed epochs.\n");
    output.text("# pinned: the free part of each page in use, shared out evenly among the objects on it\n");
    output.text(
        "# alone: pages that one object alone keeps resident; oldest: the epoch the first was made in\n");
    output.text("#     pinned        alone      objects        bytes   oldest\n");
    unsigned rows = 0;
    for (int at = pinners.after(-1); at >= 0 && rows < kTableRows; at = pinners.after(at), rows++) {
        const Pinner& pinner = pinners.of(static_cast<unsigned>(at));
        output.padded(whole(pinner.pinned_bytes), 12)
            .text(" ")
            .padded(whole(pinner.alone_bytes), 12)
            .text(" ");
        output.padded(whole(pinner.objects), 12).text(" ").padded(whole(pinner.bytes), 12).text(" ");
        output.padded(pinner.oldest_epoch, 8).text("\n");
        write_stack(samples.site(static_cast<unsigned>(at)));
    }
}

void write_folded(const Pinners& pinners) {
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const std::uint64_t pinned = whole(pinners.of(i).pinned_bytes);
        if (pinned == 0) continue;
        const Site& site = samples.site(i);
        const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
        for (unsigned k = depth; k-- > 0;) {
            symbols.write(output, site.frames[k].get());
            output.text(k > 0 ? ";" : " ");
        }
        output.number(pinned).text("\n");
    }
}

void write_lifetimes() {
    write_title("lifetimes");
    output.text(
        "# Objects by the epochs they lived, from their allocation to their free; estimated from samples.\n");
    output.text("#");
    for (unsigned k = 0; k < kLifetimes; k++) {
        // The least of each column.
        output.padded(k == 0 ? 0 : std::uint64_t{1} << (k - 1), k == 0 ? 9 : 10);
        output.text(k + 1 == kLifetimes ? "+" : "");
    }
    output.text("      live\n");
    memset(listed, 0, sizeof listed);
    for (unsigned rows = 0; rows < kTableRows; rows++) {
        const int largest = list_largest();
        if (largest < 0) break;
        const Site& site = samples.site(static_cast<unsigned>(largest));
        const Counts counts = counts_of(site);
        const double weight = weight_of(counts);
        for (const auto& lifetime : site.lifetimes) {
            const auto objects = static_cast<double>(lifetime.load(std::memory_order_relaxed));
            output.padded(whole(weight * objects), 10);
        }
        output.padded(whole(weight * static_cast<double>(counts.live)), 11).text("\n");
        write_stack(site);
    }
}

}  // namespace

bool Profile::write() {
    if (!samples.is_on() || os::is_privileged()) return false;
    if (writing_.exchange(true, std::memory_order_acquire)) return false;  // pairs with the release below
    symbols.begin();
    Pinners pinners;
    bool ok = write_file(".heap", write_heap) && write_file(".lifetimes", write_lifetimes);
    if (ok && !pinners.gather()) {
        Line().text("no memory to find out what pins memory: no .pinners and no .folded").send();
        ok = false;
    }
    ok = ok && write_file(".pinners", [&pinners] { write_pinners(pinners); });
    ok = ok && write_file(".folded", [&pinners] { write_folded(pinners); });
    symbols.finish();
    writing_.store(false, std::memory_order_release);
    return ok;
}

void Profile::write_last() {
    for (unsigned ms = 0; ms < 2000 && writing_.load(std::memory_order_relaxed); ms++) os::sleep_us(1000);
    write();
}

void Profile::copy_path(char (&path)[kPathRoom]) const { make_path(path, ".heap"); }

}  // namespace tslab
