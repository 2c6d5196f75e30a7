# What every bar has in common. Sourced from the repository root by the scripts beside it:
#   FRUITNODE    the binary (default target/release/fruitnode)
#   PHOTOGRAPHS  Fruits-360 (default ../shared/data/fruits-360): holds Training/
#   TMPDIR       where the results go; 2 GB are enough. Removed at the end
# A bar that is missed is printed as FAIL, and the script then ends with 1. What cannot be measured
# here is printed as `skipped: …`.

set -euo pipefail

FRUITNODE=$(realpath -m "${FRUITNODE:-target/release/fruitnode}")
TRAINING=${PHOTOGRAPHS:-../shared/data/fruits-360}/Training
if [ ! -x "$FRUITNODE" ]; then
    echo "no binary at $FRUITNODE: run \`cargo build --release --bin fruitnode\`, or set FRUITNODE" >&2
    exit 2
fi
if [ ! -d "$TRAINING" ]; then
    echo "skipped: there are no photographs at $TRAINING; set PHOTOGRAPHS"
    exit 0
fi
TRAINING=$(realpath "$TRAINING")
SCRATCH=$(mktemp -d -t fruitnode-bars.XXXXXX)
trap 'rm -rf "$SCRATCH"' EXIT
FAILED=0

# bar NAME FIGURE OPERATOR LIMIT: holds a figure against its limit.
bar() {
    if awk -v figure="$2" -v limit="$4" "BEGIN { exit !(figure $3 limit) }"; then
        printf 'ok    %-52s %10s  (bar: %s %s)\n' "$1" "$2" "$3" "$4"
    else
        printf 'FAIL  %-52s %10s  (bar: %s %s)\n' "$1" "$2" "$3" "$4"
        FAILED=1
    fi
}

# holds NAME COMMAND…: a bar without a figure; the command must succeed.
holds() {
    local name=$1
    shift
    if "$@" >"$SCRATCH/said" 2>&1; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n' "$name"
        tail -n 5 "$SCRATCH/said" | sed 's/^/      /'
        FAILED=1
    fi
}

# figure FILE KEY…: one number of a JSON document.
figure() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    value = value[key]
print(value)' "$@"
}

# measured NAME ARGUMENT…: a run; leaves NAME (the result), NAME.json (what it says), NAME.kib (its
# peak resident memory, KiB) in the scratch folder.
measured() {
    local name=$1
    shift
    if ! /usr/bin/time -o "$SCRATCH/$name.kib" -f %M \
        "$FRUITNODE" -q -o json run --to "$SCRATCH/$name" "$@" >"$SCRATCH/$name.json"; then
        echo "FAIL  fruitnode run $*"
        exit 1
    fi
}

# peak NAME: peak resident memory of a measured run, in MB (10^6 bytes).
peak() {
    awk '{ printf "%.0f\n", $1 * 1024 / 1e6 }' "$SCRATCH/$1.kib"
}

machine() {
    printf 'machine: %s, %s processors, load %s; %s\n' \
        "$(LC_ALL=C lscpu | sed -n 's/^Model name: *//p')" "$(nproc)" \
        "$(cut -d' ' -f1 /proc/loadavg)" "$("$FRUITNODE" --version)"
}
