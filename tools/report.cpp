// temporal-slab report: figures as one page that needs nothing else.
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/arguments.h"
#include "tools/chart.h"
#include "tools/flame.h"
#include "tools/sections.h"

namespace tool {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1140px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; } h3 { color: #555; }
svg { display: block; width: 100%; max-width: 900px; margin: 1em 0; font: 12px system-ui, sans-serif; }
svg.flame { max-width: none; font: 11px ui-monospace, monospace; }
svg text { fill: #444; } svg text.title { font-size: 15px; font-weight: 600; fill: #222; }
svg .grid { stroke: #e2e2e2; } svg .line { fill: none; stroke-width: 2; }
svg.flame g:hover rect { stroke: #000; } svg.flame text { fill: #000; pointer-events: none; }
table { border-collapse: collapse; } td, th { padding: .15em .8em; border: 1px solid #ddd; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } .comment { color: #777; white-space: pre-wrap; }
)";

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail_with_errno(path, errno);
    if (std::filesystem::is_directory(path)) fail_with_errno(path, EISDIR);
    std::ostringstream text;
    if (file.peek() == std::ifstream::traits_type::eof()) throw Failure(path + " is empty");
    if (!(text << file.rdbuf())) fail_with_errno(path, EIO);
    return text.str();
}

std::string section_of(const std::string& path) {
    const std::string text = read_file(path);
    const std::string heading = "<h2>" + escaped(std::filesystem::path(path).filename()) + "</h2>\n";
    if (is_folded(text)) return heading + flame_graph(text);
    const Csv csv = parse_csv(text, path);
    if (is_history(csv)) return heading + history_section(csv);
    if (is_driver(csv)) return heading + driver_section(csv);
    throw Failure(path + " is neither figures of the library nor of a benchmark, nor folded call stacks");
}

void write_page(const std::string& path, const std::string& title, const std::string& body) {
    std::ofstream file(path, std::ios::binary);
    file << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" << escaped(title)
         << "</title>\n<style>" << kStyle << "</style>\n</head>\n<body>\n<h1>" << escaped(title) << "</h1>\n"
         << body << "</body>\n</html>\n";
    if (!file.flush()) fail_with_errno(path, errno);
}

}  // namespace

int report_command(char** words) {
    std::vector<std::string> files;
    std::string output;
    std::string title = "temporal-slab";
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is_operand()) {
            files.push_back(arguments.word());
        } else if (arguments.is("-o") || arguments.is("--output")) {
            output = arguments.value();
        } else if (arguments.is("--title")) {
            title = arguments.value();
        } else {
            arguments.refuse();
        }
    }
    if (files.empty()) throw BadUsage("figures of which file?");
    if (output.empty()) throw BadUsage("where to? Name the page with -o");
    for (const std::string& file : files) {
        std::error_code none;
        if (std::filesystem::equivalent(file, output, none))
            throw Failure(output + " would be written over, which is to be drawn");
    }
    std::string body;
    for (const std::string& file : files) body += section_of(file);
    write_page(output, title, body);
    return 0;
}

}  // namespace tool
