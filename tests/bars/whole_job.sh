#!/usr/bin/env bash
# Throughput and memory of the whole job, Training to published result, and its verification.
# Needs GNU time and python3 (standard library). About 4 minutes on two cores.
#
#     tests/bars/whole_job.sh

source "$(dirname "$0")/setting.sh"
machine
if [ "$(nproc)" -ne 2 ]; then
    echo "note: the bars of throughput are for two cores; this machine has $(nproc)"
fi

for size in 100 224; do
    least=$([ "$size" = 100 ] && echo 600 || echo 150)
    for pca in 0.95 100; do
        name="$size-$pca"
        measured "$name" --from "$TRAINING" --size "$size" --pca "$pca"
        photographs=$(figure "$SCRATCH/$name.json" photographs)
        began=$(figure "$SCRATCH/$name.json" stages extract first_began_ms)
        ended=$(figure "$SCRATCH/$name.json" stages extract last_ended_ms)
        features=$(awk "BEGIN { printf \"%.0f\", $photographs * 1000 / ($ended - $began) }")
        took=$(figure "$SCRATCH/$name.json" took_s)
        whole=$(awk "BEGIN { printf \"%.0f\", $photographs / $took }")
        bar "$size px, --pca $pca: features, photographs/s" "$features" '>=' "$least"
        bar "$size px, --pca $pca: whole job, photographs/s" "$whole" '>=' "$least"
        bar "$size px, --pca $pca: peak resident memory, MB" "$(peak "$name")" '<=' 600
        holds "$size px, --pca $pca: fruitnode verify" "$FRUITNODE" verify "$SCRATCH/$name"
        rm -rf "${SCRATCH:?}/$name"
    done
done
exit $FAILED
