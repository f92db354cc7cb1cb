# awk -v version=V -f man.awk README.md temporal-slab.7.in: the page, with the README's table of options in it.
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/`/, "", text)
    gsub(/-/, "\\-", text)
    return text
}
function trimmed(text) {
    gsub(/^ +| +$/, "", text)
    return text
}
FNR == NR && /^\| `TSLAB_/ {
    split($0, cell, "|")
    name = roff(trimmed(cell[2]))
    values = roff(trimmed(cell[3]))
    value = roff(trimmed(cell[4]))
    meaning = roff(trimmed(cell[5]))
    # A sentence for each line of the page.
    gsub(/\. /, ".\n", meaning)
    options = options ".TP\n.B " name "\n" values (value == "" ? "" : "; default " value) "\n.br\n" meaning "\n"
    next
}
FNR == NR { next }
$0 == "@OPTIONS@" {
    printf "%s", options
    next
}
{
    sub(/@VERSION@/, version)
    print
}
