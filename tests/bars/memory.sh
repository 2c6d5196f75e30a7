#!/usr/bin/env bash
# Memory is bounded by options, not by the size of the job: peak resident memory for Training, and
# for ten times as many keys (hard links in ten subfolders). Needs GNU time and python3. About
# 3 minutes on two cores.
#
#     tests/bars/memory.sh

source "$(dirname "$0")/setting.sh"
machine
mkdir -p "$SCRATCH/one" "$SCRATCH/ten"
cp -R "$TRAINING" "$SCRATCH/one/0"
for copy in 0 1 2 3 4 5 6 7 8 9; do
    cp -Rl "$SCRATCH/one/0" "$SCRATCH/ten/$copy"
done

for keys in one ten; do
    measured "result-$keys" --from "$SCRATCH/$keys"
    photographs=$(figure "$SCRATCH/result-$keys.json" good)
    took=$(figure "$SCRATCH/result-$keys.json" took_s)
    printf 'note  %s photographs in %.1f s\n' "$photographs" "$took"
    bar "$photographs photographs: peak resident memory, MB" "$(peak "result-$keys")" '<=' 600
    holds "$photographs photographs: fruitnode verify" "$FRUITNODE" verify "$SCRATCH/result-$keys"
    rm -rf "$SCRATCH/result-$keys"
done
ratio=$(awk "BEGIN { printf \"%.3f\", $(cat "$SCRATCH/result-ten.kib") / \
    $(cat "$SCRATCH/result-one.kib") }")
bar "ten times the keys: peak memory over that of one" "$ratio" '<=' 1.10
exit $FAILED
