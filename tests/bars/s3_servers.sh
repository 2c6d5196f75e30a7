#!/usr/bin/env bash
# What another server keeps of the promises of S3, as tests/tests/s3/store tries them: Garage, one
# node with its data in memory, from the binary `garage` on PATH (`cargo install garage --locked`). What it
# leaves out is printed as `skipped: …`; what the program cannot do without must hold.
#
#     tests/bars/s3_servers.sh      GARAGE and FRUITNODE name other binaries

set -euo pipefail
GARAGE=${GARAGE:-garage}
if ! command -v "$GARAGE" >/dev/null; then
    echo "skipped: there is no \`$GARAGE\` on PATH; set GARAGE"
    exit 0
fi
SCRATCH=$(mktemp -d -t fruitnode-servers.XXXXXX)
PID=
trap '[ -z "$PID" ] || kill "$PID"; rm -rf "$SCRATCH"' EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
S3_PORT=$(free_port)
RPC_PORT=$(free_port)
ADMIN_PORT=$(free_port)
cat >"$SCRATCH/garage.toml" <<TOML
metadata_dir = "$SCRATCH/meta"
data_dir = "$SCRATCH/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$RPC_PORT"
rpc_public_addr = "127.0.0.1:$RPC_PORT"
rpc_secret = "$(python3 -c 'import secrets; print(secrets.token_hex(32))')"

[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$S3_PORT"
root_domain = ".s3.garage.localhost"

[admin]
api_bind_addr = "127.0.0.1:$ADMIN_PORT"
TOML
garage() { "$GARAGE" -c "$SCRATCH/garage.toml" "$@"; }

garage server >"$SCRATCH/log" 2>&1 &
PID=$!
until garage status >"$SCRATCH/status" 2>/dev/null; do
    kill -0 "$PID" || { tail "$SCRATCH/log"; exit 1; }
    sleep 0.2
done
NODE=$(garage node id -q 2>/dev/null | cut -d@ -f1)
garage layout assign -z here -c 1G "$NODE" >/dev/null
garage layout apply --version 1 >/dev/null
garage bucket create fruit >/dev/null
garage key create test >"$SCRATCH/key"
garage bucket allow --read --write --owner fruit --key test >/dev/null
export FRUITNODE_TEST_S3=http://127.0.0.1:$S3_PORT FRUITNODE_TEST_BUCKET=fruit AWS_REGION=garage
AWS_ACCESS_KEY_ID=$(sed -n 's/^Key ID: *//p' "$SCRATCH/key")
AWS_SECRET_ACCESS_KEY=$(sed -n 's/^Secret key: *//p' "$SCRATCH/key")
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
"$GARAGE" --version
RUST_BACKTRACE=0 cargo test --workspace --test s3 store::the_server_under_test_keeps_what_is_needed

# A whole job on it: made, replaced by a smaller one, and certified by what lies there then.
FRUITNODE=${FRUITNODE:-target/release/fruitnode}
PHOTOGRAPHS=${PHOTOGRAPHS:-../shared/data/fruits-360}
if [ ! -d "$PHOTOGRAPHS" ]; then
    echo "skipped: a whole job, for $PHOTOGRAPHS is not there"
    exit 0
fi
for part in Training Test; do
    "$FRUITNODE" run --from "$PHOTOGRAPHS/$part" --to s3://fruit/result --endpoint "$FRUITNODE_TEST_S3" \
        --pca 100 --mode overwrite --quiet
    "$FRUITNODE" verify s3://fruit/result --endpoint "$FRUITNODE_TEST_S3" | tail -n 1
done
