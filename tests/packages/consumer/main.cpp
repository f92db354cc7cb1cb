// Succeeds where operator new and the containers' memory come from temporal-slab, and exceptions still work.
#include <temporal_slab.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

int main() {
    const std::vector<char> object(100);
    const std::string text(200, 'x');
    try {
        (void)text.at(text.size());
    } catch (const std::out_of_range&) {
        std::printf("%s\n", tslab_version());
        return tslab_owns(object.data()) && tslab_owns(text.data()) ? 0 : 1;
    }
    return 1;
}
