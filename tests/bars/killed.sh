#!/usr/bin/env bash
# All or nothing: `kill -9` at twenty moments of a run on 2,000 photographs. OUT is then absent or
# whole, the next run succeeds, and nothing is left beside OUT. Every second run replaces an earlier
# result of other options: there OUT is never absent. A third of the moments fall in the last tenth
# of the run, where it publishes. Needs python3. About 2 minutes on two cores.
#
#     tests/bars/killed.sh [SEED]

source "$(dirname "$0")/setting.sh"
machine
SEED=${1:-20}
RANDOM=$SEED
PLACE=$SCRATCH/place
OUT=$PLACE/out
mkdir "$PLACE"

# job ARGUMENT…: the run that is killed, or that follows.
job() {
    exec "$FRUITNODE" -q -o json run --from "$TRAINING" --to "$OUT" --limit 2000 \
        --mode overwrite "$@"
}

whole() {
    (cd "$OUT" && sha256sum --quiet -c _SUCCESS)
}

alone() {
    [ -z "$(ls -A --ignore=out "$PLACE")" ]
}

# The least of three, so that on a busy machine few runs end before they are killed.
for turn in 1 2 3; do
    (job) >"$SCRATCH/job.json"
    figure "$SCRATCH/job.json" took_s
done >"$SCRATCH/took"
TOOK=$(sort -g "$SCRATCH/took" | head -n 1)
echo "note  seed $SEED; a run takes $TOOK s"
absent=0 unharmed=0 finished=0 torn=0 lost=0 unfinished=0 left=0 littered=0
for turn in $(seq 20); do
    rm -rf "$OUT"
    if [ $((turn % 2)) = 0 ]; then
        (job --pca 20) >/dev/null
        before=$(sha256sum <"$OUT/_SUCCESS")
    fi
    share=$(awk -v draw="$RANDOM" -v late=$((turn % 3 == 0)) \
        'BEGIN { d = draw / 32768; print late ? 0.9 + 0.12 * d : d }')
    (job) >/dev/null 2>&1 &
    process=$!
    sleep "$(awk "BEGIN { print $TOOK * $share }")"
    kill -9 $process 2>/dev/null || true
    if wait $process 2>/dev/null; then
        finished=$((finished + 1))
    fi
    if [ ! -e "$OUT" ]; then
        absent=$((absent + 1))
        [ $((turn % 2)) = 1 ] || lost=$((lost + 1))
    elif whole; then
        unharmed=$((unharmed + 1))
    else
        torn=$((torn + 1))
    fi
    alone || littered=$((littered + 1))
    (job) >/dev/null && whole && "$FRUITNODE" -q verify "$OUT" >/dev/null ||
        unfinished=$((unfinished + 1))
    alone || left=$((left + 1))
done

echo "note  after the kill OUT was absent $absent times and whole $unharmed times; $finished runs" \
    "had ended before; $littered kills left something beside OUT"
bar "kills after which OUT was neither absent nor whole" $torn '<=' 0
bar "kills that lost the result which was being replaced" $lost '<=' 0
bar "runs after a kill that failed, or failed to verify" $unfinished '<=' 0
bar "runs after a kill that left something beside OUT" $left '<=' 0
exit $FAILED
