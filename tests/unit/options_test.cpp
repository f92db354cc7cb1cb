#include "core/options.h"

#include "faults.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

struct Reading {
    std::vector<std::string> entries;
    Options read;
    std::string lines;
};

Reading read(std::vector<std::string> entries) {
    Reading reading{std::move(entries), {}, {}};
    std::vector<char*> environment;
    for (std::string& entry : reading.entries) environment.push_back(entry.data());
    environment.push_back(nullptr);
    captured_lines = &reading.lines;
    reading.read.read(environment.data());
    captured_lines = nullptr;
    return reading;
}

}  // namespace

TEST_CASE("no environment, or nothing of ours in it, leaves the defaults", "[options]") {
    CHECK(read({"PATH=/bin", "TSLABX=1", "XTSLAB_STATS=1"}).lines.empty());
    CHECK(read({"TSLAB_LIBRARY=/usr/lib/libtemporal_slab.so.1"}).lines.empty());
    Options chosen;
    chosen.read(nullptr);
    CHECK(chosen.min_size == 64);
    CHECK(chosen.max_size == 768);
    CHECK(chosen.deepbind);
}

TEST_CASE("values stay when the environment is overwritten", "[options]") {
    std::string entry = "TSLAB_ONLY=redis-server,nginx";
    char* environment[] = {entry.data(), nullptr};
    Options chosen;
    chosen.read(environment);
    entry.assign(entry.size(), 'x');
    CHECK(std::string(chosen.only) == "redis-server,nginx");
}

TEST_CASE("values are read", "[options]") {
    const auto [entries, chosen, lines] = read(
        {"TSLAB_DISABLE=1", "TSLAB_RESERVE=64g", "TSLAB_MIN_SIZE=1", "TSLAB_MAX_SIZE=512",
         "TSLAB_ON_MISUSE=abort", "TSLAB_DEEPBIND=0", "TSLAB_ONLY=redis-server", "TSLAB_LATENCY=1000000000"});
    CHECK(lines.empty());
    CHECK(chosen.disable);
    CHECK(chosen.reserve == std::size_t{64} << 30);
    CHECK(chosen.min_size == 1);
    CHECK(chosen.max_size == 512);
    CHECK(chosen.latency == 1000000000);
    CHECK(chosen.on_misuse == OnMisuse::abort);
    CHECK_FALSE(chosen.deepbind);
    CHECK(std::string(chosen.only) == "redis-server");
}

TEST_CASE("each name that a value may have means what it says, and the largest numbers are taken",
          "[options]") {
    CHECK(read({"TSLAB_RECLAIM=off"}).read.reclaim == Reclaiming::off);
    CHECK(read({"TSLAB_RECLAIM=normal"}).read.reclaim == Reclaiming::normal);
    CHECK(read({"TSLAB_RECLAIM=eager"}).read.reclaim == Reclaiming::eager);
    CHECK(read({"TSLAB_ON_MISUSE=report"}).read.on_misuse == OnMisuse::report);
    CHECK(read({"TSLAB_ON_MISUSE=ignore"}).read.on_misuse == OnMisuse::ignore);
    for (const char* const entry : {"TSLAB_BUDGET=5", "TSLAB_BUDGET=5%"}) {
        const auto [entries, chosen, lines] = read({entry});
        CHECK(lines.empty());
        CHECK(chosen.budget.value == 5);
    }
    CHECK(read({"TSLAB_BUDGET=100%"}).read.budget.value == 100);
    CHECK_FALSE(read({"TSLAB_BUDGET=101"}).lines.empty());
    CHECK_FALSE(read({"TSLAB_BUDGET=%"}).lines.empty());
    for (const int number : {0, 34, 64}) {
        const auto [entries, chosen, lines] = read({"TSLAB_STATS_SIGNAL=" + std::to_string(number)});
        CHECK(lines.empty());
        CHECK(chosen.stats_signal.value == number);
    }
    CHECK_FALSE(read({"TSLAB_STATS_SIGNAL=65"}).lines.empty());
}

TEST_CASE("a bad value costs one line and the default stands", "[options]") {
    struct Case {
        const char* entry;
        const char* line;
    };
    const Case cases[] = {
        {"TSLAB_RESERVE=nonsense",
         "temporal-slab: TSLAB_RESERVE=\"nonsense\" is not a size from 2M to 16T (digits, then K, M, G or "
         "T); using "
         "1T\n"},
        {"TSLAB_RESERVE=",
         "temporal-slab: TSLAB_RESERVE=\"\" is not a size from 2M to 16T (digits, then K, M, G or T); "
         "using 1T\n"},
        {"TSLAB_RESERVE=99999999999999999999999",
         "temporal-slab: TSLAB_RESERVE=\"99999999999999999999999\" is not a size from 2M to 16T (digits, "
         "then K, M, G "
         "or T); using 1T\n"},
        {"TSLAB_RESERVE=17T",
         "temporal-slab: TSLAB_RESERVE=\"17T\" is not a size from 2M to 16T (digits, then K, M, G "
         "or T); using 1T\n"},
        {"TSLAB_MAX_SIZE=769",
         "temporal-slab: TSLAB_MAX_SIZE=\"769\" is not a size from 1 to 768 (digits, then K, M, G "
         "or T); using 768\n"},
        {"TSLAB_MIN_SIZE=-1",
         "temporal-slab: TSLAB_MIN_SIZE=\"-1\" is not a size from 1 to 768 (digits, then K, M, G or "
         "T); using 64\n"},
        {"TSLAB_STATS_INTERVAL_MS=86400001",
         "temporal-slab: TSLAB_STATS_INTERVAL_MS=\"86400001\" is not a number from 0 to 86400000; using 0\n"},
        {"TSLAB_LATENCY=1K",
         "temporal-slab: TSLAB_LATENCY=\"1K\" is not a number from 0 to 1000000000; using 0\n"},
        {"TSLAB_LATENCY=99999999999999999999",
         "temporal-slab: TSLAB_LATENCY=\"99999999999999999999\" is not a number from 0 to 1000000000; using "
         "0\n"},
        {"TSLAB_STATS=yes",
         "temporal-slab: TSLAB_STATS=\"yes\" is not 0, 1, or text, json or prometheus, with or without "
         ":FILE of 1 to 200 bytes, 10 for each %p; using 0\n"},
        {"TSLAB_ON_MISUSE=crash",
         "temporal-slab: TSLAB_ON_MISUSE=\"crash\" is not report, ignore or abort; using report\n"},
        {"TSLAB_ONLY=", "temporal-slab: TSLAB_ONLY=\"\" is not a list of program names; using none\n"},
    };
    for (const Case& each : cases) CHECK(read({each.entry}).lines == each.line);
    const std::string longest = "TSLAB_STATS=json:" + std::string(200, 'x');
    CHECK(read({longest}).lines.empty());
    CHECK(read({longest + "x"}).lines.find("with or without :FILE of 1 to 200 bytes") != std::string::npos);
    const auto with_numbers = [](unsigned rest) {
        return read({"TSLAB_PROFILE_FILE=%p%p%p" + std::string(rest, 'x')});
    };
    CHECK(with_numbers(170).lines.empty());
    CHECK(with_numbers(171).lines.find("is not a path of 1 to 200 bytes, 10 for each %p; using") !=
          std::string::npos);
}

TEST_CASE("an unknown name costs one line that lists what there is", "[options]") {
    const std::string lines = read({"TSLAB_FOO=1"}).lines;
    CHECK(lines.find("temporal-slab: TSLAB_FOO is not an option; options are TSLAB_DISABLE, ") == 0);
    CHECK(lines.find("TSLAB_ON_MISUSE") != std::string::npos);
    CHECK(lines.find('\n') == lines.size() - 1);
    CHECK(read({"TSLAB_stats=1"}).lines.find("TSLAB_stats is not an option") != std::string::npos);
    CHECK(read({"TSLAB_STATSX=1"}).lines.find("TSLAB_STATSX is not an option") != std::string::npos);
}

TEST_CASE("limits that leave nothing are both put back", "[options]") {
    const auto [entries, chosen, lines] = read({"TSLAB_MIN_SIZE=512", "TSLAB_MAX_SIZE=128"});
    CHECK(lines == "temporal-slab: TSLAB_MIN_SIZE=512 is above TSLAB_MAX_SIZE=128; using 64 and 768\n");
    CHECK(chosen.min_size == 64);
    CHECK(chosen.max_size == 768);
}

TEST_CASE("settings that are not the defaults are shown", "[options]") {
    const auto shown = [](const Options& chosen) {
        std::string lines;
        captured_lines = &lines;
        Line line;
        chosen.show(line);
        line.send();
        captured_lines = nullptr;
        return lines;
    };
    CHECK(shown(Options{}) == "temporal-slab: \n");
    CHECK(shown(read({"TSLAB_STATS_CSV=x", "TSLAB_STATS_CSV=temporal-slab.%p.csv", "TSLAB_MAX_SIZE=768"})
                    .read) == "temporal-slab: \n");
    CHECK(shown(read({"TSLAB_RECLAIM=off", "TSLAB_BUDGET=5", "TSLAB_STATS=json:f", "TSLAB_TRIM_SIGNAL=HUP",
                      "TSLAB_LATENCY=1024", "TSLAB_PROFILE=1024"})
                    .read) ==
          "temporal-slab: ; TSLAB_STATS json:f; TSLAB_TRIM_SIGNAL 1; TSLAB_LATENCY 1024; TSLAB_PROFILE 1K; "
          "TSLAB_BUDGET 5%; TSLAB_RECLAIM off\n");
    const std::string cut = shown(read({"TSLAB_ONLY=" + std::string(2000, 'x')}).read);
    CHECK(cut.size() == 1024);
    CHECK(cut.substr(1019) == "x...\n");
}

TEST_CASE("programs are chosen by name", "[options]") {
    Options chosen;
    const auto obstacle = [&](const char* started_name, const char* program_name) {
        const char* const found = chosen.obstacle(started_name, program_name);
        return std::string(found != nullptr ? found : "none");
    };
    CHECK(obstacle("a", "b") == "none");
    chosen.only = "redis-server,php*";
    CHECK(obstacle("redis-server", "x") == "none");
    CHECK(obstacle("x", "redis-server") == "none");
    CHECK(obstacle("php8.2", "x") == "none");
    CHECK(obstacle("redis", "redis-server2") == "TSLAB_ONLY does not name it");
    CHECK(obstacle("", "") == "TSLAB_ONLY does not name it");
    chosen.exclude = "php-fpm";
    CHECK(obstacle("php-fpm", "php-fpm8.2") == "TSLAB_EXCLUDE names it");
    CHECK(obstacle("php-fpm8", "php-fpm8.2") == "none");
    chosen = Options{};
    chosen.exclude = "*";
    CHECK(obstacle("a", "a") == "TSLAB_EXCLUDE names it");
    chosen = Options{};
    chosen.disable = true;
    CHECK(obstacle("a", "a") == "TSLAB_DISABLE is set");
}
