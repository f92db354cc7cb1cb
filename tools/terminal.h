// The terminal as a screen that is drawn anew: keys come at once and unseen, and everything is as before when
// this ends, however it ends.
#pragma once

#include <string>
#include <string_view>

namespace tool {

class Terminal {
  public:
    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    unsigned columns() const;
    unsigned rows() const;

    // Lines beyond the screen's are left out, and so is what stands beyond its right edge.
    void show(std::string_view text) const;

    // The next key, or 0 when `seconds` have passed, or 'q' when a signal asked this process to end.
    char wait_for_key(double seconds) const;
};

// How much of a text of whole characters fits.
std::string_view cut_to(std::string_view text, unsigned columns);

}  // namespace tool
