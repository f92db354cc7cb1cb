# What the tests of packages share: steps that are counted, and the closing line. Sourced.
passed=0
failed=0
# shellcheck disable=SC2034  # by those that source this
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check WHAT COMMAND…: counts a command as one test, and shows what it printed where it failed.
check() {
    local what=$1
    shift
    if "$@" >"$scratch/.output" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $what"
    else
        failed=$((failed + 1))
        echo "FAILED: $what: $*"
        tail -n 40 "$scratch/.output"
    fi
}

# is EXPECTED COMMAND…: the command succeeds and prints exactly this.
is() {
    local expected=$1 output
    shift
    output=$("$@") || return
    if [[ $output == "$expected" ]]; then return; fi
    diff <(echo "$expected") <(echo "$output")
}

# Ends a test for which this machine lacks what it needs; ctest counts it as skipped.
skip() {
    echo "skipped: $1"
    exit 77
}

finish() {
    echo "$passed passed, $failed failed"
    exit $((failed > 0 || passed == 0))
}
