#!/bin/bash
# tests/system/plot.sh BIN_DIR -- plot draws what jobs have reported: in the terminal, and to files by gnuplot.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export LC_ALL=C.UTF-8 TERM=xterm
plot() { client plot "$@"; }

part train 256
part t10k 64
small+=(--dataset "idx:$dir/set")
start_daemon
submit "${small[@]}" --method simclr --epochs 2 --probe 1 --eval knn --name "it's \`touch $dir/made\`"
finish "$id"
submit "${small[@]}" --method simclr --epochs 2 --lr 0.01
finish "$id"

# What is drawn is what was reported.
client --json plot 1 -m loss -m knn.top1 >"$dir/curves" || fail "plot --json ended with $?"
jq -s -c 'map([.step, .loss])' "$state/jobs/1/metrics.jsonl" >"$dir/lines"
jq -e --slurpfile want "$dir/lines" '.jobs[0] | .id == 1 and (.curves | keys == ["knn.top1", "loss"])
    and (.curves.loss | [.step, .mean] | transpose) == $want[0] and .curves.loss.min == .curves.loss.mean' "$dir/curves" >/dev/null ||
    fail "job 1 reported $(cat "$dir/lines"), drawn is $(cat "$dir/curves")"

# In the terminal: braille, axes, the jobs' numbers at the curves and in the legend; no colours in a pipe.
plot 1 2 -m loss -m lr >"$dir/drawn" || fail "plot ended with $?"
grep -q $'\e' "$dir/drawn" && fail "there are colours in a pipe"
[ "$(grep -cP '[\x{2801}-\x{28ff}]' "$dir/drawn")" -ge 6 ] || fail "there is no braille in $(cat "$dir/drawn")"
for line in '^loss$' '^lr$' 'step 8$' "^ +1  it's" '^ +2  simclr, resnet18, idx:' '│.* 1$' '│.* 2$'; do
    grep -qP "$line" "$dir/drawn" || fail "'$line' is not in $(cat "$dir/drawn")"
done
LC_ALL=C plot 1 >"$dir/drawn" || fail "plot ended with $?"
LC_ALL=C grep -qP '[\x80-\xff]' "$dir/drawn" && fail "LC_ALL=C gets $(cat "$dir/drawn")"
grep -q '|.*\*' "$dir/drawn" || fail "there are no asterisks in $(cat "$dir/drawn")"

refused 2 "no 'los' is reported; job 1 has .*loss.*knn.top1" "$bin/akssl-client" plot 1 2 -m los
refused 2 'job 77' "$bin/akssl-client" plot 1 77
refused 2 'ends neither in .png nor in .svg' "$bin/akssl-client" plot 1 --out "$dir/a.gif"
submit "${small[@]}" --method simclr --hold
refused 1 "nothing is reported yet by job $id" "$bin/akssl-client" plot "$id"

# Without gnuplot a sentence says what to install, and nothing is left.
refused 1 'apt-get install gnuplot-nox' env PATH="$dir" "$bin/akssl-client" plot 1 --out "$dir/a.png"
[ -z "$(find "$dir" -name 'a.png*')" ] || fail "a file is left: $(find "$dir" -name 'a.png*')"

if ! command -v gnuplot >/dev/null; then
    say "no gnuplot here (Debian's gnuplot-nox): no files are drawn"
    pass
fi
plot 1 2 -m loss -m knn.top1 --out "$dir/a.png" || fail "a PNG: $?"
plot 1 2 -m loss -m knn.top1 --out "$dir/a.svg" || fail "an SVG: $?"
[ "$(head -c 8 "$dir/a.png" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ] || fail "a.png is no PNG"
[ "$(od -An -tu1 -j 16 -N 8 "$dir/a.png" | tr -s ' ')" = ' 0 0 3 132 0 0 3 72' ] || fail "a.png is not 900 x 840"
python3 - "$dir/a.svg" <<'PY' || fail "a.svg is not what was asked for"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
text = "".join(root.itertext())
assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
for word in ("loss", "knn.top1", "1: it's `touch", "2: simclr, resnet18, idx:"):
    assert word in text, (word, text)
PY
[ ! -e "$dir/made" ] || fail "a job's name was run as a command"
refused 1 'cannot be written' "$bin/akssl-client" plot 1 --out "$dir/nowhere/a.png"
find "$dir" -name '*.part' | has . && fail "a .part is left"

pass
