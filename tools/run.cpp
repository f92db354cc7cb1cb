// temporal-slab run: replaces itself by a program with the library preloaded.
#include <cstdio>

#include "tools/launch.h"

namespace tool {

int run_command(char** words) {
    LaunchOptions options(OptionFlags::all);
    Arguments arguments(words);
    while (arguments.next() && !arguments.is_operand())
        if (!options.take(arguments)) arguments.refuse();
    if (!arguments.is_operand()) throw BadUsage("which program?");
    char** const program = arguments.program();
    Environment environment = options.environment();
    const std::string file = find_program(*program);
    if (file.empty()) {
        std::fprintf(stderr, "temporal-slab run: %s: not found\n", *program);
        return kNotFound;
    }
    try {
        warn_if_out_of_reach(file);
    } catch (const Failure&) {
        // A file that may be run but not read.
    }
    return execute(file, program, environment.entries());
}

}  // namespace tool
