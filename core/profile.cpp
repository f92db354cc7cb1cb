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

// TSLAB_PROFILE_FILE with %p replaced, and the ending; cut where it does not fit.
void expand(char* path, const char* ending) {
    char digits[12];
    unsigned at = sizeof digits;
    digits[--at] = 0;
    for (int id = os::process_id(); id > 0; id /= 10) digits[--at] = static_cast<char>('0' + id % 10);
    std::size_t length = 0;
    const auto add = [&](const char* text, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes && length < File::kLongestPath; i++) path[length++] = text[i];
    };
    for (const char* from = options.profile_file.text; *from != 0; from++) {
        if (from[0] == '%' && from[1] == 'p') {
            add(digits + at, strlen(digits + at));
            from++;
        } else {
            add(from, 1);
        }
    }
    add(ending, strlen(ending));
    path[length] = 0;
}

bool report_unwritten(const char* path) {
    Line().text("cannot write the profile ").text(path).send();
    return false;
}

void write_stack(File& file, const Site& site, Symbols& symbols) {
    const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
    for (unsigned i = 0; i < depth; i++) {
        file.text("      ");
        symbols.write(file, site.frames[i].get());
        file.text("\n");
    }
}

void write_title(File& file, const char* what) {
    char name[64];
    os::started_name(name, sizeof name);
    file.text("# ").text(what).text(" of ").text(name).text(" (");
    file.number(static_cast<std::uint64_t>(os::process_id())).text("), in epoch ").number(epochs.current());
    file.text("; one sample for ").number(samples.rate()).text(" bytes on average\n");
}

// What is known of one site at one time.
struct Counts {
    std::uint64_t made, made_bytes, live, live_bytes;
};

Counts counts_of(const Site& site) {
    // Freed first: an object is counted as made before it can be freed.
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

double made_bytes_of(int site) {
    const Counts counts = counts_of(samples.site(static_cast<unsigned>(site)));
    return weight_of(counts) * static_cast<double>(counts.made_bytes);
}

// The site that comes after this one by the bytes it made, or first for -1; -1 where there is none.
int largest_after(int site) {
    const double bound = site >= 0 ? made_bytes_of(site) : 0;
    double most = 0;
    int best = -1;
    for (int i = 0; i < static_cast<int>(Samples::kSites); i++) {
        const double bytes = made_bytes_of(i);
        const bool follows = site < 0 || bytes < bound || (bytes == bound && i > site);
        if (!follows || bytes <= most) continue;
        most = bytes;
        best = i;
    }
    return best;
}

}  // namespace

bool Profile::write_heap(const char* path) const {
    File file(path);
    Counts all{};
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const Counts counts = counts_of(samples.site(i));
        all = {all.made + counts.made, all.made_bytes + counts.made_bytes, all.live + counts.live,
               all.live_bytes + counts.live_bytes};
    }
    const auto write_counts = [&file](const Counts& counts) {
        file.number(counts.live).text(": ").number(counts.live_bytes).text(" [");
        file.number(counts.made).text(": ").number(counts.made_bytes).text("] @");
    };
    file.text("heap profile: ");
    write_counts(all);
    file.text(" heap_v2/").number(samples.rate()).text("\n");
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const Site& site = samples.site(i);
        const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
        const Counts counts = counts_of(site);
        if (depth == 0 || counts.made == 0) continue;
        write_counts(counts);
        for (unsigned k = 0; k < depth; k++) file.text(" ").hex(site.frames[k].get());
        file.text("\n");
    }
    file.text("\nMAPPED_LIBRARIES:\n");
    const int maps = os::open_file("/proc/self/maps");
    char text[2048];
    for (long got = 1; maps >= 0 && got > 0;) {
        got = os::read_file(maps, text, sizeof text);
        if (got > 0) file.text(text, static_cast<std::size_t>(got));
    }
    if (maps >= 0) os::close_file(maps);
    return file.finish() || report_unwritten(path);
}

bool Profile::write_pinners(const char* path, const Pinners& pinners) const {
    File file(path);
    Symbols symbols;
    write_title(file, "pinners");
    file.text("# Estimated from ").number(pinners.used()).text(" live samples in closed epochs.\n");
    file.text("# pinned: the free part of each page in use, shared out evenly among the objects on it\n");
    file.text(
        "# alone: pages that one object alone keeps resident; oldest: the epoch the first was made in\n");
    file.text("#     pinned        alone      objects        bytes   oldest\n");
    unsigned rows = 0;
    for (int at = pinners.after(-1); at >= 0 && rows < kTableRows; at = pinners.after(at), rows++) {
        const Pinner& pinner = pinners.of(static_cast<unsigned>(at));
        file.number(whole(pinner.pinned_bytes), 12).text(" ").number(whole(pinner.alone_bytes), 12).text(" ");
        file.number(whole(pinner.objects), 12).text(" ").number(whole(pinner.bytes), 12).text(" ");
        file.number(pinner.oldest_epoch, 8).text("\n");
        write_stack(file, samples.site(static_cast<unsigned>(at)), symbols);
    }
    return file.finish() || report_unwritten(path);
}

bool Profile::write_folded(const char* path, const Pinners& pinners) const {
    File file(path);
    Symbols symbols;
    for (unsigned i = 0; i < Samples::kSites; i++) {
        const std::uint64_t pinned = whole(pinners.of(i).pinned_bytes);
        if (pinned == 0) continue;
        const Site& site = samples.site(i);
        const unsigned depth = site.depth.load(std::memory_order_acquire);  // pairs with Samples::find_site
        for (unsigned k = depth; k-- > 0;) {
            symbols.write(file, site.frames[k].get());
            file.text(k > 0 ? ";" : " ");
        }
        file.number(pinned).text("\n");
    }
    return file.finish() || report_unwritten(path);
}

bool Profile::write_lifetimes(const char* path) const {
    File file(path);
    Symbols symbols;
    write_title(file, "lifetimes");
    file.text(
        "# Objects by the epochs they lived, from their allocation to their free; estimated from samples.\n");
    file.text("#");
    for (unsigned k = 0; k < kLifetimes; k++) {
        // The least of each column.
        file.number(k == 0 ? 0 : std::uint64_t{1} << (k - 1), k == 0 ? 9 : 10);
        file.text(k + 1 == kLifetimes ? "+" : "");
    }
    file.text("      live\n");
    int best = largest_after(-1);
    for (unsigned rows = 0; best >= 0 && rows < kTableRows; rows++, best = largest_after(best)) {
        const Site& site = samples.site(static_cast<unsigned>(best));
        const Counts counts = counts_of(site);
        const double weight = weight_of(counts);
        for (const auto& lifetime : site.lifetimes) {
            const auto objects = static_cast<double>(lifetime.load(std::memory_order_relaxed));
            file.number(whole(weight * objects), 10);
        }
        file.number(whole(weight * static_cast<double>(counts.live)), 11).text("\n");
        write_stack(file, site, symbols);
    }
    return file.finish() || report_unwritten(path);
}

bool Profile::write() {
    if (!samples.is_on() || os::is_privileged()) return false;
    if (writing_.exchange(true, std::memory_order_acquire)) return false;
    char path[File::kLongestPath + 1];
    expand(path, ".heap");
    bool ok = write_heap(path);
    Pinners pinners;
    if (ok && pinners.gather()) {
        expand(path, ".pinners");
        ok = write_pinners(path, pinners);
        expand(path, ".folded");
        ok = write_folded(path, pinners) && ok;
        expand(path, ".lifetimes");
        ok = write_lifetimes(path) && ok;
    }
    writing_.store(false, std::memory_order_release);
    return ok;
}

void Profile::copy_path(char* path) const { expand(path, ".heap"); }

}  // namespace tslab
