#!/usr/bin/python3
"""g++: a source full of templates gives the same object file, and the same message for an error."""

import hashlib

import real

SOURCE = r"""
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Fold {
    static constexpr unsigned long value = Fold<N - 1>::value * 3 + N;
    using type = std::tuple<std::integral_constant<int, N>, typename Fold<N - 1>::type>;
};
template <> struct Fold<0> { static constexpr unsigned long value = 1; using type = std::tuple<>; };

template <class... T> struct Table {
    std::map<std::string, std::variant<T...>> rows;
    template <class F> auto each(F f) { for (auto& [key, row] : rows) std::visit(f, row); return rows.size(); }
};

unsigned long deep() { return Fold<300>::value + sizeof(Fold<12>::type); }

std::size_t use(const std::string& text) {
    Table<int, double, std::string, std::vector<int>, std::unordered_map<std::string, std::shared_ptr<int>>> table;
    std::regex words("([a-z]+)=([0-9]+)");
    for (auto i = std::sregex_iterator(text.begin(), text.end(), words); i != std::sregex_iterator(); ++i)
        table.rows[(*i)[1]] = std::stoi((*i)[2]);
    std::vector<std::function<std::size_t()>> later;
    later.push_back([&] { return table.each([](auto& row) { row = std::decay_t<decltype(row)>(); }); });
    std::stable_sort(later.begin(), later.end(), [](auto& a, auto& b) { return a() < b(); });
    return later.front()();
}
"""
BROKEN = SOURCE + "std::map<std::string, std::vector<int>> broken = std::make_tuple(1, use);\n"


def test(run):
    gxx = real.need("g++", "g++")
    run.write("source.cpp", SOURCE)
    run.run(gxx, "-std=c++20", "-g", "-O2", f"-ffile-prefix-map={run.folder}=.", "-c", "source.cpp", "-o", "object.o")
    with open(run.path("object.o"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    run.write("broken.cpp", BROKEN)
    message = run.run("/bin/sh", "-c", 'exec 2>&1; TSLAB_STATS=0 "$@"; echo "status $?"', "sh", gxx, "-std=c++20", "-c", "broken.cpp")
    return {"object file": digest, "message for an error": message}


real.compare(test, served={"cc1plus": 100_000})
