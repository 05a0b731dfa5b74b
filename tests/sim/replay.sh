#!/bin/bash
# tests/sim/replay.sh -- a seed is one story: told alone, among others, or with its trace, it is the same.
#
#     replay.sh SIMULATE

set -u -o pipefail
simulate=$1
lines() { grep '^seed '; }

together=$("$simulate" --first 1 --seeds 30 --hash | lines) || exit 1
for seed in 1 7 12 23 30; do
    alone=$("$simulate" --seed "$seed" --hash | lines)
    traced=$("$simulate" --seed "$seed" --hash --trace | lines)
    among=$(grep "^seed $seed:" <<<"$together")
    [ -n "$alone" ] && [ "$alone" = "$among" ] && [ "$alone" = "$traced" ] && continue
    printf 'replay: seed %s differs:\n%s\n%s\n%s\n' "$seed" "$among" "$alone" "$traced"
    exit 1
done
[ "$(cut -d ' ' -f 3 <<<"$together" | sort -u | wc -l)" = 30 ] && exit 0
echo "replay: two seeds tell the same story"
exit 1
