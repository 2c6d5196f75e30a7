#!/usr/bin/env bash
# Listing takes the memory of its options, not of the bucket: peak resident memory for 10,000 and for
# 1,000,000 keys. But for a hundred photographs their bodies are none, so that nearly all become
# rows of the quarantine: what is measured are listing, manifest and rows. Needs GNU time, curl and
# python3. About 15 minutes on two cores.
#
#     tests/bars/s3_memory.sh       FEW=10000 MANY=1000000

source "$(dirname "$0")/s3_setting.sh"
machine
FEW=${FEW:-10000}
MANY=${MANY:-1000000}

mkdir -p "$SCRATCH/some/fruit"
find "$TRAINING" -type f | LC_ALL=C sort | awk 'NR % 97 == 0' | head -n 100 |
    while read -r photograph; do
        cp "$photograph" "$SCRATCH/some/fruit/$(basename "$(dirname "$photograph")")-$(basename "$photograph")"
    done

for keys in "$FEW" "$MANY"; do
    store --seed "$SCRATCH/some" --synthetic "$keys"
    timed "$keys" --from s3://fruit/ --to s3://fruit/result/
    counted "$keys"
    printf 'note  %s keys listed, %s of them photographs, in %.1f s; %s requests\n' \
        "$(figure "$SCRATCH/$keys.json" photographs)" "$(figure "$SCRATCH/$keys.json" good)" \
        "$(figure "$SCRATCH/$keys.json" took_s)" "$(figure "$SCRATCH/$keys.counted" requests)"
    bar "$keys keys: keys listed" "$(figure "$SCRATCH/$keys.json" photographs)" '>' "$keys"
    bar "$keys keys: peak resident memory, MB" \
        "$(awk '{ printf "%.0f", $1 * 1024 / 1e6 }' "$SCRATCH/$keys.kib")" '<=' 600
done
bar "a hundred times the keys: peak memory over that of one" \
    "$(ratio "$(cat "$SCRATCH/$MANY.kib")" "$(cat "$SCRATCH/$FEW.kib")")" '<=' 1.10
exit $FAILED
