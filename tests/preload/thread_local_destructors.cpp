// Destructors of C++ thread_local objects, in threads and in main, free and allocate; one whose first malloc
// is in its destructor too, and one that runs from a pthread key after all thread_local objects are gone.
#include <pthread.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "probe.h"

namespace {

std::atomic<int> keepers{0}, late_starters{0}, keys{0};
pthread_key_t last_key;

std::vector<std::string> many(size_t n) {
    std::vector<std::string> made;
    for (size_t i = 0; i < n; ++i) made.emplace_back(64 + i, static_cast<char>('a' + i % 26));
    return made;
}

struct Keeper {
    std::map<int, std::string> kept;
    ~Keeper() {
        for (auto& [i, text] : kept) CHECK(text == std::string(100 + static_cast<size_t>(i), 'k'));
        kept.clear();
        CHECK(many(50)[49].size() == 113);
        ++keepers;
    }
};
struct LateStarter {
    bool used = false;
    ~LateStarter() {
        CHECK(used && many(10)[9].size() == 73);
        ++late_starters;
    }
};

thread_local Keeper keeper;
thread_local LateStarter late_starter;

void after_all(void* value) {
    delete static_cast<std::vector<std::string>*>(value);
    CHECK(many(20)[19].size() == 83);
    ++keys;
}

void use() {
    late_starter.used = true;
    for (int i = 0; i < 100; ++i) keeper.kept[i] = std::string(100 + static_cast<size_t>(i), 'k');
    pthread_setspecific(last_key, new std::vector<std::string>(many(30)));
}

void check_main_ended() {
    // main's thread_local destructors have run by now; a key's destructor does not run for main.
    CHECK(keys == 302 && late_starters == 304 && keepers >= 303);
}

}  // namespace

int main() {
    probe_start();
    end_if_stuck();
    atexit(check_main_ended);
    CHECK(pthread_key_create(&last_key, after_all) == 0);
    std::thread one(use), two(use);
    one.join(), two.join();
    size_t before = status_kib("VmRSS:");
    for (int i = 0; i < 300; ++i) std::thread(use).join();
    CHECK(status_kib("VmRSS:") < before + 8 * 1024);
    // A thread that never allocated before its destructors run.
    std::thread([] { late_starter.used = true; }).join();
    use();
    return 0;
}
