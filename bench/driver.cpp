#include "driver.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

bool complain(const char* driver, const char* what, const char* value) {
    std::fprintf(stderr, "%s: %s: %s (see --help)\n", driver, what, value);
    return false;
}

bool parse_seed(const char* text, std::uint64_t& seed) {
    char* end;
    errno = 0;
    const unsigned long long value = std::strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') return false;
    seed = value;
    return true;
}

bool parse_effort(const char* text, double& effort) {
    char* end;
    const double value = std::strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0 && value <= 1000)) return false;
    effort = value;
    return true;
}

// The processor's name from /proc/cpuinfo, or the machine's architecture where it has none.
void processor_name(char* name, std::size_t capacity, const utsname& system) {
    std::snprintf(name, capacity, "%s", system.machine);
    std::FILE* file = std::fopen("/proc/cpuinfo", "r");
    if (file == nullptr) return;
    char line[256];
    while (std::fgets(line, sizeof line, file) != nullptr) {
        const char* value = std::strchr(line, ':');
        if (std::strncmp(line, "model name", 10) != 0 || value == nullptr) continue;
        std::snprintf(name, capacity, "%.*s", static_cast<int>(std::strcspn(value + 2, "\n")), value + 2);
        break;
    }
    std::fclose(file);
}

const char* owner_of_malloc() {
    Dl_info info;
    void* symbol = dlsym(RTLD_DEFAULT, "malloc");
    return symbol != nullptr && dladdr(symbol, &info) != 0 ? info.dli_fname : "unknown";
}

}  // namespace

unsigned core_count() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(CPU_COUNT(&set));
}

void Driver::add(void (*run)(Driver&, const Case&), std::size_t count, unsigned threads,
                 const char* name_format, ...) {
    if (case_count_ == max_cases) std::abort();
    Case& added = cases_[case_count_++];
    added.run = run;
    added.count = count;
    added.threads = threads;
    va_list arguments;
    va_start(arguments, name_format);
    std::vsnprintf(added.name, sizeof added.name, name_format, arguments);
    va_end(arguments);
}

std::size_t Driver::scaled(std::size_t operations) const {
    const double scaled = static_cast<double>(operations) * effort_;
    return scaled < 1 ? 1 : static_cast<std::size_t>(scaled);
}

void Driver::row(const char* metric, double value, const char* unit) const {
    std::printf("%s,%s,%s,%.6g,%s\n", name_, running_->name, metric, value, unit);
}

void Driver::point(const char* line, std::size_t when, double value, const char* unit) const {
    char metric[48];
    std::snprintf(metric, sizeof metric, "%s@%zu", line, when);
    row(metric, value, unit);
}

const Case* Driver::find(const char* name) const {
    for (std::size_t i = 0; i < case_count_; ++i) {
        if (std::strcmp(cases_[i].name, name) == 0) return &cases_[i];
    }
    return nullptr;
}

bool Driver::parse(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const char* option = argv[i];
        if (std::strcmp(option, "--help") == 0) {
            help_ = true;
        } else if (std::strcmp(option, "--list") == 0) {
            list_ = true;
        } else if (std::strcmp(option, "--rows-only") == 0) {
            rows_only_ = true;
        } else if (std::strcmp(option, "--seed") == 0 || std::strcmp(option, "--effort") == 0 ||
                   std::strcmp(option, "--case") == 0) {
            const char* value = argv[++i];
            if (value == nullptr) return complain(name_, "this option needs a value", option);
            if (option[2] == 's' && !parse_seed(value, seed_)) {
                return complain(name_, "--seed takes a whole number from 0", value);
            }
            if (option[2] == 'e' && !parse_effort(value, effort_)) {
                return complain(name_, "--effort takes a number above 0, up to 1000", value);
            }
            if (option[2] == 'c' && find(only_ = value) == nullptr) {
                return complain(name_, "no such case, --list names them", value);
            }
        } else {
            return complain(name_, "unknown argument", option);
        }
    }
    return true;
}

void Driver::print_help() const {
    std::printf(
        "usage: [LD_PRELOAD=ALLOCATOR] %s [OPTION]...\n"
        "%s\n\n"
        "Prints CSV: a comment with the command and the machine, a header, one row per figure.\n\n"
        "  --case NAME   run this case only\n"
        "  --list        print the names of the cases\n"
        "  --seed N      the seed of every random choice (default 1)\n"
        "  --effort F    multiply the number of operations by F (default 1)\n"
        "  --rows-only   leave out the comment and the header\n"
        "  --help        print this\n",
        name_, summary_);
}

void Driver::print_heading(int argc, char** argv) const {
    utsname system;
    uname(&system);
    char processor[128];
    processor_name(processor, sizeof processor, system);
    const char* preload = std::getenv("LD_PRELOAD");
    std::printf("# command:");
    for (int i = 0; i < argc; ++i) std::printf(" %s", argv[i]);
    std::printf(
        "; machine: %s, %u cores, %s %s %s, page %ld; glibc: %s; LD_PRELOAD: %s; malloc: %s; seed: %llu\n",
        processor, core_count(), system.sysname, system.release, system.machine, sysconf(_SC_PAGESIZE),
        gnu_get_libc_version(), preload != nullptr && *preload != '\0' ? preload : "none", owner_of_malloc(),
        static_cast<unsigned long long>(seed_));
    std::printf("driver,case,metric,value,unit\n");
}

// A fresh process per case: no case inherits the heap that another left behind, and a crash costs one case.
int Driver::run_apart(const Case& one) const {
    char seed[32];
    char effort[32];
    std::snprintf(seed, sizeof seed, "%llu", static_cast<unsigned long long>(seed_));
    std::snprintf(effort, sizeof effort, "%.17g", effort_);
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", name_, "--rows-only", "--case", one.name, "--seed", seed, "--effort", effort,
              static_cast<char*>(nullptr));
        _exit(127);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (status == 0) return 0;
    if (WIFSIGNALED(status)) {
        std::printf("%s,%s,failed,%d,signal\n", name_, one.name, WTERMSIG(status));
    } else {
        std::printf("%s,%s,failed,%d,exit status\n", name_, one.name, WEXITSTATUS(status));
    }
    return 1;
}

int Driver::main(int argc, char** argv) {
    if (!parse(argc, argv)) return 2;
    if (help_) {
        print_help();
        return 0;
    }
    if (list_) {
        for (std::size_t i = 0; i < case_count_; ++i) std::printf("%s\n", cases_[i].name);
        return 0;
    }
    if (!rows_only_) print_heading(argc, argv);
    if (only_ != nullptr) {
        running_ = find(only_);
        running_->run(*this, *running_);
        return 0;
    }
    int status = 0;
    for (std::size_t i = 0; i < case_count_; ++i) status |= run_apart(cases_[i]);
    return status;
}

}  // namespace bench
