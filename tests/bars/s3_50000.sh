#!/usr/bin/env bash
# 50,000 photographs over HTTP, each request 20 ms away: every key is read once, every page asked
# once, and the distance costs little processor time: seconds of it beside those for the same
# photographs from a folder. Needs GNU time, curl and python3. About 5 minutes on two cores.
#
#     tests/bars/s3_50000.sh        TIMES=5 copies of Training, DELAY_MS=20

source "$(dirname "$0")/s3_setting.sh"
machine
TIMES=${TIMES:-5}
DELAY_MS=${DELAY_MS:-20}

mkdir -p "$SCRATCH/photographs"
cp -R "$TRAINING" "$SCRATCH/one"
for ((copy = 0; copy < TIMES; copy++)); do
    folder=$(printf '%s/photographs/%02d/%03d' "$SCRATCH" $((copy % 7)) "$copy")
    mkdir -p "$(dirname "$folder")"
    cp -Rl "$SCRATCH/one" "$folder"
done
timed folder --from "$SCRATCH/photographs" --to "$SCRATCH/result"
rm -rf "$SCRATCH/photographs" "$SCRATCH/result"

store --seed "$SCRATCH/one" --times "$TIMES" --delay-ms "$DELAY_MS" --page 1000
timed s3 --from s3://fruit/photographs/ --to s3://fruit/result/
counted s3
keys=$(figure "$SCRATCH/s3.json" photographs)
printf 'note  %s photographs in %.1f s from S3, %.1f s from a folder\n' "$keys" \
    "$(figure "$SCRATCH/s3.json" took_s)" "$(figure "$SCRATCH/folder.json" took_s)"
printf 'note  %s pages of photographs were asked for\n' \
    "$(figure "$SCRATCH/s3.counted" folders photographs pages)"
bar "photographs" "$keys" '>=' "$((10000 * TIMES))"
bar "photographs, S3 less folder" "$((keys - $(figure "$SCRATCH/folder.json" photographs)))" '==' 0
bar "GETs per key, as the program counts" "$(figure "$SCRATCH/s3.json" gets_per_key)" '==' 1.00
bar "GETs of one key below photographs/, at most" \
    "$(figure "$SCRATCH/s3.counted" folders photographs gets_of_one_key_max)" '==' 1
bar "GETs per key below photographs/, as the store counts" \
    "$(ratio "$(figure "$SCRATCH/s3.counted" folders photographs gets_asked)" "$keys")" '==' 1.00
bar "pages of photographs asked again" \
    "$(figure "$SCRATCH/s3.counted" folders photographs pages_asked_again)" '==' 0
printf 'note  processor seconds: %s from S3, %s from a folder\n' \
    "$(cat "$SCRATCH/s3.cpu")" "$(cat "$SCRATCH/folder.cpu")"
bar "processor seconds, S3 over folder" \
    "$(ratio "$(cat "$SCRATCH/s3.cpu")" "$(cat "$SCRATCH/folder.cpu")")" '<=' 1.11
holds "fruitnode verify s3://fruit/result/" "$FRUITNODE" verify s3://fruit/result/
exit $FAILED
