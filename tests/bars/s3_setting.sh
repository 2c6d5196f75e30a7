# What the bars on S3 have in common, besides setting.sh. Sourced by the scripts beside it:
#   TEST_STORE   the store of the tests (default target/release/test-store), which
#                `cargo build --release --workspace --bins` builds

source "$(dirname "$0")/setting.sh"
TEST_STORE=$(realpath -m "${TEST_STORE:-target/release/test-store}")
if [ ! -x "$TEST_STORE" ]; then
    echo "no store at $TEST_STORE: run \`cargo build --release --workspace --bins\`, or set TEST_STORE" >&2
    exit 2
fi
export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7OWNER00
export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYOWNERS0KEY
export AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN
STORE_PID=

# store ARGUMENT…: starts a store; its URL is in AWS_ENDPOINT_URL.
store() {
    no_store
    "$TEST_STORE" "$@" >"$SCRATCH/url" &
    STORE_PID=$!
    until [ -s "$SCRATCH/url" ]; do
        kill -0 "$STORE_PID" || exit 2
        sleep 0.1
    done
    AWS_ENDPOINT_URL=$(cat "$SCRATCH/url")
    export AWS_ENDPOINT_URL
}

no_store() {
    if [ -n "$STORE_PID" ]; then
        kill "$STORE_PID" && wait "$STORE_PID" 2>/dev/null || true
        STORE_PID=
    fi
    rm -f "$SCRATCH/url"
}
trap 'no_store; rm -rf "$SCRATCH"' EXIT

# counted NAME: keeps what the store counted so far in NAME.counted, as JSON.
counted() {
    curl --silent --fail "$AWS_ENDPOINT_URL/_test/counters" >"$SCRATCH/$1.counted"
}

# timed NAME ARGUMENT…: a run; leaves NAME.json (what it says), NAME.cpu (its seconds of processor,
# user and system), NAME.kib (its peak resident memory, KiB) in the scratch folder.
timed() {
    local name=$1
    shift
    if ! /usr/bin/time -o "$SCRATCH/$name.time" -f '%U %S %M' \
        "$FRUITNODE" -q -o json run "$@" >"$SCRATCH/$name.json"; then
        echo "FAIL  fruitnode run $*"
        exit 1
    fi
    awk '{ printf "%.2f\n", $1 + $2 }' "$SCRATCH/$name.time" >"$SCRATCH/$name.cpu"
    awk '{ print $3 }' "$SCRATCH/$name.time" >"$SCRATCH/$name.kib"
}

# ratio NUMERATOR DENOMINATOR
ratio() {
    awk "BEGIN { printf \"%.4f\", $1 / $2 }"
}
