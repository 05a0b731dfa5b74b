# tests/bench/scaling.awk -- the cost model of scaling.md, on what scaling.sh measured.

BEGIN {
    split(gather, us, " ")
    CORES = 32; WEAK = 32; STRONG = 4096; BACKWARD = 0.55; WIRE = 0.9
    LINKS = split("1 10 100", gbit, " ")
    split("50 20 10", latency, " ") # us, one way, with TCP
    WIDTH = 128; FLOPS = 50e9       # features a view in the loss; of its products, a core
    MIB = 1048576
}

$1 == "exchange" { next }
$3 == "one" { one = $4 }
$3 == "strong" {
    ms = $4; within = $5; behind = $6; out = $7; waits = $8; count = $9; gathered = $10 * MIB; mib = $11; buckets = $12
}
$3 == "half" { half = $4 }
$3 == "few" { predict($1, $2) }

function log2(x) { return log(x) / log(2) }
function most(a, b) { return a > b ? a : b }

# One core, so many images, in ms: a line through two measurements.
function compute(b) { return fixed + slope * b }

# A step in ms on so many nodes, b images a core, over a link.
function step(nodes, b, l,    ranks, t, node, wire, bytes, vector, grads, params, sums, loss, idle) {
    ranks = nodes * CORES
    t = slower * compute(b)
    node = within + behind + out * 2 * (CORES - 1) / CORES
    bytes = gathered / count
    sums = count * (CORES - 1) * (us[1] + bytes * (us[2] - us[1]) / 65536) / 1000
    loss = 6 * (2 * b) * (2 * b * ranks) * WIDTH / FLOPS * 1000
    idle = share * sqrt(log2(ranks)) * t
    if (nodes == 1)
        return t + node + sums + loss + idle
    wire = gbit[l] * 1e9 / 8 * WIRE / 1000 # bytes a ms
    vector = mib * MIB * (nodes - 1) / nodes
    grads = most(vector / wire - BACKWARD * t * (buckets - 1) / buckets, vector / buckets / wire + latency[l] / 1000)
    params = vector / wire + latency[l] / 1000
    sums += count * (latency[l] / 1000 * log2(nodes) + (nodes - 1) * bytes / wire)
    loss += 2 * b * CORES * (nodes - 1) * WIDTH * 4 / wire
    return t + node + grads + params + sums + loss + idle
}

function row(what, b, strong,    n, l, ms, base) {
    for (l = 1; l <= LINKS; l++) {
        printf "| %s, %s Gbit/s |", what, gbit[l]
        base = step(1, strong ? STRONG / CORES : b, l)
        for (n = 1; n <= 64; n *= 2) {
            ms = step(n, strong ? STRONG / (CORES * n) : b, l)
            printf " %.0f (%.0f %%) |", (strong ? STRONG : b * CORES * n) / ms * 1000,
                100 * (strong ? base / (n * ms) : base / ms)
        }
        print ""
    }
}

function predict(name, batch) {
    slope = (half - $4) / (batch / 2 - batch / 8)
    fixed = most(half - slope * batch / 2, 0)
    slower = (ms - within - behind - out - waits) / (one / 2)
    share = waits / ms
    printf "\n%s: a core takes %.1f + %.2f b ms for b images; %.2f times as long with its neighbour at work; waits %.1f %% of a step; %.0f MiB of gradients; %d gathers, of %.1f KiB\n\n",
        name, fixed, slope, slower, 100 * share, mib, count, gathered / count / 1024
    printf "| images/s (of a node's rate times the nodes) | 1 node | 2 | 4 | 8 | 16 | 32 | 64 |\n|---|---|---|---|---|---|---|---|\n"
    row("weak, " WEAK " a core", WEAK, 0)
    row("strong, batch " STRONG, 0, 1)
}
