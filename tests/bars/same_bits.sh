#!/usr/bin/env bash
# Same bits: every published file of the job on Training is identical whatever the threads, the
# batch, the kernel, the run, the environment or the host's name; and no host, process, day or job
# is named in one. The photographs are copied and given one old modification time (times are
# published), so that the day of the run can be looked for. About 4 minutes on two cores.
#
#     tests/bars/same_bits.sh
#
# The portable kernel is tried on the first 200 photographs. A kernel that this processor lacks, and
# another host name where no user namespace is to be had, are skipped, and it is said.

source "$(dirname "$0")/setting.sh"
machine
PHOTOS=$SCRATCH/photographs
cp -R "$TRAINING" "$PHOTOS"
find "$PHOTOS" -exec touch -d 2020-02-02T02:02:02Z {} +
HOST=bars-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
RENAMED=(unshare --user --map-root-user --uts sh -c 'hostname "$0" && exec "$@"' "$HOST")

# result NAME ARGUMENT… -- [COMMAND…]: a result of a job with these arguments, started by the
# command, and held against its own digests. Leaves NAME.pid and, as NAME.sum, _SUCCESS's digest.
result() {
    local name=$1 arguments=()
    shift
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    "$@" "$FRUITNODE" -q run --from "$PHOTOS" --to "$SCRATCH/$name" "${arguments[@]}" &
    echo $! >"$SCRATCH/$name.pid"
    wait $! || return
    (cd "$SCRATCH/$name" && sha256sum --quiet -c _SUCCESS) || return
    sha256sum <"$SCRATCH/$name/_SUCCESS" >"$SCRATCH/$name.sum"
}

# same NAME BASE ARGUMENT… -- [COMMAND…]: makes a result and compares it with BASE, file by file.
same() {
    local name=$1 base=$2
    shift 2
    result "$name" "$@" && cmp "$SCRATCH/$base.sum" "$SCRATCH/$name.sum" &&
        diff -r -x _run "$SCRATCH/$base" "$SCRATCH/$name"
}

# drop NAME: compared, and no longer needed.
drop() {
    rm -rf "${SCRATCH:?}/$1"
}

# absent NAME GREP-ARGUMENT…: grep finds it in no published file (and did look).
absent() {
    local name=$1 status=0
    shift
    grep -rl --exclude-dir=_run "$@" "$SCRATCH/$name" || status=$?
    [ $status = 1 ]
}

# no_number NAME NUMBER: stands nowhere by itself, in text.
no_number() {
    absent "$1" -IE "(^|[^0-9A-Za-z.])$2([^0-9A-Za-z.]|\$)"
}

# no_process A B: a number may equal a process id by chance in one result, not in two.
no_process() {
    no_number "$1" "$(cat "$SCRATCH/$1.pid")" || no_number "$2" "$(cat "$SCRATCH/$2.pid")"
}

# no_day NAME: today, in UTC or here, is written nowhere.
no_day() {
    absent "$1" -IF -e "$(date -u +%F)" -e "$(date +%F)" -e "$(date -u +%Y%m%d)"
}

holds "a first run" result base --
for threads in 1 2; do
    holds "--threads $threads" same other base --threads $threads --
    drop other
done
for batch in 1 7 32; do
    holds "--batch $batch" same other base --batch $batch --
    drop other
done
holds "RAYON_NUM_THREADS=7" same other base -- env RAYON_NUM_THREADS=7
drop other
holds "TZ=Asia/Kathmandu" same other base -- env TZ=Asia/Kathmandu
drop other
holds "LANG=LC_ALL=tr_TR.UTF-8" same other base -- env LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8
drop other

for kernel in avx512 avx2; do
    grep -qw "${kernel/avx512/avx512f}" /proc/cpuinfo || {
        echo "skipped: this processor has no $kernel"
        continue
    }
    holds "--kernel $kernel" same other base --kernel $kernel --
    drop other
done
holds "--limit 200" result few --limit 200 --
holds "--limit 200 --kernel portable" same other few --limit 200 --kernel portable --
drop other

if "${RENAMED[@]}" true 2>/dev/null; then
    holds "a second run, on a host named $HOST" same other base -- "${RENAMED[@]}"
    holds "its story, in _run/, holds the host's name" grep -rqF "$HOST" "$SCRATCH/other/_run"
    holds "no published file holds the host's name" absent other -F "$HOST"
else
    echo "skipped: no user namespace to rename the host in"
    holds "a second run" same other base --
fi
holds "no published file holds the job's id" absent other -F "$(ls "$SCRATCH/other/_run")"
holds "no published file holds the process's id" no_process base other
holds "no published file holds the day" no_day other
exit $FAILED
