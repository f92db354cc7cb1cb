// What of ours is written, and how: nothing of it shows in the program but the text.
#include "core/output.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/os.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

// A pipe that nobody reads.
struct BrokenPipe {
    int end = -1;
    BrokenPipe() {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        close(ends[0]);
        end = ends[1];
    }
    ~BrokenPipe() { close(end); }
};

bool is_pending(int signal) {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal) == 1;
}

sigset_t only(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}

}  // namespace

TEST_CASE("a write that fails raises no signal", "[output]") {
    const BrokenPipe broken;
    in_child([&] {
        signal(SIGPIPE, SIG_DFL);
        errno = 7;
        return os::write_file(broken.end, "text", 4) || errno != 7 ? 1 : 0;
    });
    FILE* const file = tmpfile();
    in_child([&] {
        signal(SIGXFSZ, SIG_DFL);
        const rlimit none{0, 0};
        return setrlimit(RLIMIT_FSIZE, &none) != 0 || os::write_file(fileno(file), "text", 4) ? 1 : 0;
    });
    fclose(file);
}

TEST_CASE("what a fork finds half written is the parent's to go on with", "[output]") {
    char folder[] = "/tmp/tslab-output-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string path = folder + std::string("/file");
    static Output output;
    const std::string some(6000, 'a');
    const std::string more(6000, 'b');
    REQUIRE(output.begin_file(path.c_str()));
    output.text(some.c_str());
    in_child([&] {
        output.text("c").text(more.c_str());
        return output.finish() ? 0 : 1;
    });
    output.text(more.c_str());
    CHECK(output.finish());
    std::stringstream found;
    found << std::ifstream(path).rdbuf();
    CHECK(found.str() == some + more);
    std::filesystem::remove_all(folder);
}

TEST_CASE("what is in quotes is one string of JSON, or one cell of CSV", "[output]") {
    FILE* const file = tmpfile();
    REQUIRE(file != nullptr);
    const std::string path = "/proc/self/fd/" + std::to_string(fileno(file));
    static Output output;
    const char text[] = "a\"b\\c\nd\x80";
    REQUIRE(output.begin_append(path.c_str()));
    output.quoted(text, sizeof text).text(",").cell(text, sizeof text);
    CHECK(output.finish());
    std::stringstream found;
    found << std::ifstream(path).rdbuf();
    CHECK(found.str() == R"("a\"b\\c?d?","a""b\c?d?")");
    fclose(file);
}

TEST_CASE("what has the name that a file has until it is complete is not written to", "[output]") {
    char folder[] = "/tmp/tslab-output-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string path = folder + std::string("/file");
    const std::string other = folder + std::string("/other");
    std::ofstream(other) << "kept";
    std::filesystem::create_symlink("other", path + "." + std::to_string(getpid()) + ".new");
    static Output output;
    REQUIRE(output.begin_file(path.c_str()));
    CHECK(output.text("new").finish());
    const auto content_of = [](const std::string& name) {
        std::stringstream found;
        found << std::ifstream(name).rdbuf();
        return found.str();
    };
    CHECK(content_of(path) == "new");
    CHECK(content_of(other) == "kept");
    CHECK_FALSE(std::filesystem::is_symlink(path));
    std::filesystem::remove_all(folder);
}

TEST_CASE("a pipe that has no room for all gets whole lines", "[output]") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const int room = fcntl(ends[1], F_SETPIPE_SZ, 4096);  // a page, which may be larger
    REQUIRE(room >= 4096);
    const std::string line = std::string(2999, 'a') + '\n';
    static Output output;
    REQUIRE(output.begin_append(("/proc/self/fd/" + std::to_string(ends[1])).c_str()));
    for (int written = 0; written < 2 * room; written += 3000) output.text(line.c_str());
    CHECK_FALSE(output.finish());
    close(ends[1]);
    std::string found(static_cast<std::size_t>(room), 0);
    found.resize(static_cast<std::size_t>(read(ends[0], found.data(), found.size())));
    CHECK(found.size() >= line.size());
    CHECK(found.size() % line.size() == 0);
    close(ends[0]);
}

TEST_CASE("files are closed when all is written", "[output]") {
    const int next = dup(0);
    close(next);
    char folder[] = "/tmp/tslab-output-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string path = folder + std::string("/file");
    static Output output;
    for (const bool anew : {true, false}) {
        REQUIRE((anew ? output.begin_file(path.c_str()) : output.begin_append(path.c_str())));
        CHECK(output.text("a").finish());
        const int now = dup(0);
        CHECK(now == next);
        close(now);
    }
    std::filesystem::remove_all(folder);
}

TEST_CASE("a write leaves blocked what was blocked, and pending what was pending", "[output]") {
    const BrokenPipe broken;
    const sigset_t pipe_only = only(SIGPIPE);
    sigset_t before, after;
    REQUIRE(pthread_sigmask(SIG_BLOCK, &pipe_only, &before) == 0);
    CHECK(!os::write_file(broken.end, "text", 4));
    CHECK(!is_pending(SIGPIPE));
    raise(SIGPIPE);
    CHECK(!os::write_file(broken.end, "text", 4));
    CHECK(is_pending(SIGPIPE));
    const timespec at_once{};
    CHECK(sigtimedwait(&pipe_only, nullptr, &at_once) == SIGPIPE);
    REQUIRE(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    CHECK(sigismember(&after, SIGPIPE) == 1);
}
