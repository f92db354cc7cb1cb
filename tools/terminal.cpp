#include "tools/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace tool {
namespace {

termios settings_before;
volatile std::sig_atomic_t asked_to_end;

constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

void note_end(int) { asked_to_end = 1; }
void note_resize(int) {}

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;  // without SA_RESTART: a wait for a key ends
    sigaction(signal, &action, nullptr);
}

void send(std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = write(STDOUT_FILENO, text.data(), text.size());
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

winsize size() {
    winsize now{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0) return {24, 80, 0, 0};
    return now;
}

}  // namespace

Terminal::Terminal() {
    tcgetattr(STDIN_FILENO, &settings_before);
    termios raw = settings_before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    for (const int signal : kEndingSignals) handle(signal, note_end);
    handle(SIGWINCH, note_resize);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    send("\033[?1049h\033[?25l");  // the other screen, without a cursor
}

Terminal::~Terminal() {
    send("\033[?25h\033[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &settings_before);
    for (const int signal : kEndingSignals) handle(signal, SIG_DFL);
}

unsigned Terminal::columns() const { return size().ws_col; }
unsigned Terminal::rows() const { return size().ws_row; }

void Terminal::show(std::string_view text) const {
    std::string screen = "\033[H";
    const unsigned columns_now = columns();
    for (unsigned left = rows(); left > 0; left--) {
        const std::size_t end = text.find('\n');
        screen += cut_to(text.substr(0, end), columns_now);
        screen += "\033[K";
        if (left > 1) screen += "\r\n";
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    send(screen);
}

char Terminal::wait_for_key(double seconds) const {
    if (asked_to_end != 0) return 'q';
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&input, 1, static_cast<int>(seconds * 1000));
    if (asked_to_end != 0) return 'q';
    if (ready <= 0) return 0;
    char key = 'q';  // what the end of a closed terminal means
    if (read(STDIN_FILENO, &key, 1) <= 0) return 'q';
    return key;
}

std::string_view cut_to(std::string_view text, unsigned columns) {
    std::size_t at = 0;
    for (; at < text.size(); at++) {
        const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
        if (starts_character && columns-- == 0) break;
    }
    return text.substr(0, at);
}

}  // namespace tool
