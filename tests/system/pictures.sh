#!/bin/bash
# tests/system/pictures.sh BIN_DIR -- what a job trains on and where it puts images, in the terminal and as files.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export LC_ALL=C.UTF-8 TMPDIR=$dir

# on_terminal COMMAND...: what it prints on a terminal of 60 columns with colours.
on_terminal() {
    TERM=xterm-256color python3 - "$@" <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
said = b""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    said += piece
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}

start_daemon
part train 256
submit "${small[@]}" --dataset "idx:$dir/set" --method simclr
finish "$id"
made=$job/pictures

# As they lie in the job's folder.
client views 1 --out "$dir/views.png" >"$dir/said" || fail "views --out ended with $?"
cmp "$dir/views.png" "$made/views.png" || fail "the views are others"
[ "$(cat "$dir/said")" = "$dir/views.png" ] || fail "views said $(cat "$dir/said")"
client --json map 1 >"$dir/map.json" || fail "map --json ended with $?"
numbers='walk(if type == "number" then . * 1 else . end)' # as they are, however written
diff <(jq -S "$numbers" "$made/map.json") <(jq -S "$numbers" "$dir/map.json") || fail "the map is another"

# On a terminal: two pixels a character in colours, as wide as it is at most; dots of braille in colours, a class a line.
on_terminal "$bin/akssl-client" views 1 >"$dir/drawn" || fail "views on a terminal ended with $?"
grep -q $'\e\\[38;2;[0-9;]*48;2;[0-9;]*m▀' "$dir/drawn" || fail "there are no colours in $(head -c 300 "$dir/drawn")"
[ "$(head -n 1 "$dir/drawn" | grep -o ▀ | wc -l)" -le 59 ] || fail "the views are wider than the terminal"
on_terminal "$bin/akssl-client" map 1 >"$dir/drawn" || fail "map on a terminal ended with $?"
[ "$(grep -cP '\e\[38;5;\d+m[\x{2801}-\x{28ff}]' "$dir/drawn")" -ge 12 ] || fail "there are no dots in $(cat "$dir/drawn")"
grep -q 'job 1: 256 images' "$dir/drawn" || fail "there is no title in $(cat "$dir/drawn")"

# In a pipe: letters alone.
client views 1 >"$dir/drawn" || fail "views in a pipe ended with $?"
grep -q '[:=+*#%@]' "$dir/drawn" || fail "in a pipe the views are $(cat "$dir/drawn")"
grep -q $'\e' "$dir/drawn" && fail "in a pipe the views have colours"
client map 1 >"$dir/drawn" || fail "map in a pipe ended with $?"
grep -q $'\e' "$dir/drawn" && fail "there are colours in a pipe"
for class in 0 5 9; do
    sed -n '2,25p' "$dir/drawn" | grep $class | has . || fail "class $class is not on $(cat "$dir/drawn")"
    grep -q "^  $class $class\$" "$dir/drawn" || fail "class $class is not in the legend of $(cat "$dir/drawn")"
done

client map 1 --by tsne >"$dir/tsne" || fail "map --by tsne ended with $?"
grep -q 'job 1: 256 images by t-SNE' "$dir/tsne" || fail "by t-SNE, there is no title in $(cat "$dir/tsne")"
diff <(sed 1d "$dir/drawn") <(sed 1d "$dir/tsne") >/dev/null && fail "by t-SNE the map is the same"
diff "$dir/drawn" <(client map 1 --by pca) || fail "map --by pca is another"
refused 2 "'umap' is neither pca nor tsne" "$bin/akssl-client" map 1 --by umap

# Sixels, read back: every pixel of the picture has a colour near it.
client views 1 --sixel >"$dir/sixel" || fail "views --sixel ended with $?"
python3 - "$dir/sixel" "$dir/views.png" <<'PY' || fail "the sixels are not the picture"
import re, struct, sys, zlib
text = open(sys.argv[1], "rb").read().decode()
head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', text)
assert head and text.endswith("\x1b\\\n"), text[:40]
width, height = map(int, head.groups())
palette, pixels, x, band, colour = {}, {}, 0, 0, 0
for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)", text[head.end():-3]):
    define, r, g, b, use, count, repeated, one, left, down = token.groups()
    if define:
        palette[int(define)] = tuple(int(v) * 255 // 100 for v in (r, g, b))
    elif use:
        colour = int(use)
    elif left:
        x = 0
    elif down:
        x, band = 0, band + 6
    else:
        for _ in range(int(count or 1)):
            for bit in range(6):
                if (ord(repeated or one) - 63) >> bit & 1:
                    assert (x, band + bit) not in pixels, "a pixel has two colours"
                    pixels[x, band + bit] = palette[colour]
            x += 1
assert len(pixels) == width * height, (len(pixels), width, height)
png = open(sys.argv[2], "rb").read()
assert struct.unpack(">II", png[16:24]) == (width, height)
at, data = 8, b""
while at < len(png):
    size, kind = struct.unpack(">I4s", png[at:at + 8])
    data += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
    at += 12 + size
raw, before, stride = zlib.decompress(data), bytearray(3 * width), 3 * width
def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
far = 0
for y in range(height):
    kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
    for i in range(stride):
        a, b, c = row[i - 3] if i > 2 else 0, before[i], before[i - 3] if i > 2 else 0
        row[i] = row[i] + (0, a, b, (a + b) // 2, paeth(a, b, c))[kind] & 255
    far = max(far, max(abs(row[3 * x + i] - pixels[x, y][i]) for x in range(width) for i in range(3)))
    before = row
assert far <= 52, far # steps of 51
PY

# The nearest images of one, as the map has them.
client map 1 --image 7 >"$dir/drawn" || fail "map --image ended with $?"
diff <(jq -r '.index as $i | .neighbours[7][] | $i[.]' "$made/map.json") <(awk 'NR > 1 { print $1 }' "$dir/drawn") || fail "the neighbours are others"
refused 2 "image '256' is not on the map: of 256 images" "$bin/akssl-client" map 1 --image 256

if command -v gnuplot >/dev/null; then
    client map 1 --out "$dir/map.svg" >/dev/null || fail "an SVG: $?"
    [ "$(grep -o '<use ' "$dir/map.svg" | wc -l)" -ge 256 ] || fail "there are $(grep -c '<use ' "$dir/map.svg") points in map.svg"
    client map 1 --out "$dir/map.png" >/dev/null || fail "a PNG: $?"
    [ "$(head -c 8 "$dir/map.png" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ] || fail "map.png is no PNG"
fi

# Who wants no map does without; what is not there yet, or not at all.
submit "${small[@]}" --dataset "idx:$dir/set" --method simclr --map no
finish "$id"
[ "$(ls "$job/pictures")" = views.png ] || fail "--map no left $(ls "$job/pictures")"
refused 2 'job 2 has no map.json yet.*--map no' "$bin/akssl-client" map 2
refused 2 'job 77' "$bin/akssl-client" views 77
refused 2 'ends neither in .png nor in .svg' "$bin/akssl-client" map 1 --out "$dir/a.gif"
refused 2 'give --out FILE.png' "$bin/akssl-client" --json views 1
refused 2 'nowhere/a.png' "$bin/akssl-client" views 1 --out "$dir/nowhere/a.png"
printf '\x89PNG\r\n\x1a\nnot at all' >"$made/views.png"
refused 1 'picture cannot be read' "$bin/akssl-client" views 1
printf '{"index": [1], "x": [1, 2]}' >"$made/map.json"
refused 1 'no map' "$bin/akssl-client" map 1
jq 'del(.tsne_x, .tsne_y)' "$dir/map.json" >"$made/map.json" # of an earlier version
client map 1 >/dev/null || fail "a map without t-SNE: $?"
refused 1 'before there was t-SNE' "$bin/akssl-client" map 1 --by tsne
find "$dir" -maxdepth 1 -name 'akssl-*' | has . && fail "left behind: $(find "$dir" -maxdepth 1 -name 'akssl-*')"
pass
