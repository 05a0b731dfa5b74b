#!/bin/sh
# deploy/examples/mpirun-by-hand.sh -- akssl-worker without an akssld.
#
# How fast a step is on this machine, on one rank and on two, before anything is
# queued.  `akssl-worker COMMAND --help` has the flags.
set -eu
for ranks in 1 2; do
    mpirun -np "$ranks" --bind-to none --oversubscribe \
        akssl-worker bench --method simclr --backbone resnet18 --image-size 32 --batch 256 --seconds 5
done
