#!/bin/bash
# tests/lint/lint.sh -- what the compiler does not check about the sources.
#
#     lint.sh layers          includes point only where layers.txt lets them
#     lint.sh headers FLAGS   each header compiles alone, with ${CC:-cc} FLAGS
#     lint.sh length          functions to 100 lines, files to 800
#     lint.sh words           a file says its own path on top; nothing left unfinished
#     lint.sh shell           shellcheck; skipped (77) where it is not installed
#     lint.sh format          clang-format; skipped (77) where it is not installed

set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
check=${1:-}
shift

# sources SUFFIX... lists files of the tree, without build folders and what git keeps.
sources() {
    local names=()
    for suffix in "$@"; do names+=(-o -name "*.$suffix"); done
    find client daemon deploy include proto tests worker .ci -type f \( "${names[@]:1}" \) | sort
}

layers() {
    # shellcheck disable=SC2046 # no path of ours holds a blank
    awk '
    function folder(path,   best, f) {
        best = ""
        for (f in allowed)
            if (index(path, f "/") == 1 && length(f) > length(best)) best = f
        return best
    }
    FILENAME == ARGV[1] {
        if (/^#/ || /^$/) next
        split($0, part, ": *")
        if (/^</) only[part[1]] = " " part[2] " "
        else allowed[part[1]] = " " part[2] " "
        next
    }
    /^#include "/ {
        split($0, quoted, "\"")
        target = quoted[2]
        if (target ~ /\.pb-c\.h$/) to = "wire"
        else if (target ~ /^akssl\//) to = "include/akssl"
        else to = folder(target)
        from = folder(FILENAME)
        if (FILENAME ~ /^tests\//) next
        if (to == "") say("\"" target "\" is no path from the top")
        else if (from != to && index(allowed[from], " " to " ") == 0)
            say(from " may not include " to)
    }
    /^#include </ {
        for (header in only) {
            if (index($2, header) != 1) continue
            ok = 0
            count = split(only[header], homes, " ")
            for (i = 1; i <= count; i++)
                if (index(FILENAME, homes[i] "/") == 1) ok = 1
            if (!ok) say($2 " belongs to" only[header] "alone")
        }
    }
    function say(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
    END { exit bad }
    ' tests/lint/layers.txt $(sources c h def)
}

headers() {
    local header bad=0
    while read -r header; do
        # shellcheck disable=SC2086 # CC may hold arguments
        printf '#include "%s"\n' "${header#include/}" |
            ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only \
                -I. -Iinclude "$@" -x c - || { echo "$header: does not compile alone"; bad=1; }
    done < <(sources h | grep -v '^tests/')
    return $bad
}

length() {
    # shellcheck disable=SC2046
    awk '
    FNR == 1 { lines[FILENAME] = 0; start = 0 }
    { lines[FILENAME] = FNR }
    /^\{$/ { start = FNR }
    /^\}/ && start { if (FNR - start > 101) say("a function of " FNR - start - 1 " lines"); start = 0 }
    function say(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
    END {
        for (file in lines)
            if (lines[file] > 800) { printf "%s: %d lines\n", file, lines[file]; bad = 1 }
        exit bad
    }
    ' $(sources c h)
}

words() {
    local file bad=0 second
    while read -r file; do
        second=$(sed -n '/^#!/d; /^# shellcheck/d; s/^\(\/\/\|#\) \([^ ]*\) .*-- .*/\2/p; q' "$file")
        [ "$second" = "${file#include/}" ] && continue
        echo "$file:1: start with '// ${file#include/} -- one sentence.'"
        bad=1
    done < <(sources c h def sh)
    # shellcheck disable=SC2046
    if grep -nE 'TOD[O]|FIXM[E]|\bXX[X]\b|not implemente[d]|unimplemente[d]|placeholde[r]|for no[w]\b' \
        $(sources c h def sh txt md); then
        echo "unfinished: finish it, or say what is left in an issue"
        bad=1
    fi
    # shellcheck disable=SC2046
    if grep -nE '/(wor[k]|far[m])/|deb\.debia[n]\.org' $(sources c h def sh txt md) README.md; then
        echo "a path or a host of one machine"
        bad=1
    fi
    # shellcheck disable=SC2046
    if grep -nE '[[:space:]]+$' $(sources c h def sh txt proto); then
        echo "blanks at the end of a line"
        bad=1
    fi
    return $bad
}

shell() {
    # shellcheck disable=SC2046
    if grep -nE '\| *grep -[a-zA-Z]*q' $(grep -lE 'pipefail|system/lib[.]sh' $(sources sh) .ci/run | grep -v '^tests/lint/'); then
        echo "grep -q ends its pipe early, which pipefail takes for a failure: use has of tests/system/lib.sh, or [[ ]]"
        exit 1
    fi
    command -v shellcheck >/dev/null || { echo "skipped: no shellcheck"; exit 77; }
    # shellcheck disable=SC2046
    shellcheck -x -S warning $(sources sh) .ci/run
}

format() {
    command -v clang-format >/dev/null || { echo "skipped: no clang-format"; exit 77; }
    # shellcheck disable=SC2046
    clang-format --dry-run --Werror $(sources c h)
}

case $check in
layers | headers | length | words | shell | format) "$check" "$@" ;;
*)
    echo "usage: lint.sh layers|headers|length|words|shell|format" >&2
    exit 2
    ;;
esac
