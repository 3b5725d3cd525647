#!/usr/bin/env bash
# Starts a broker, a gateway and the service as the README says, and asks for donations by both examples.
#
#   tests/examples.sh target/release .cache/…/bin/python
set -euo pipefail
built=$(cd "$1" && pwd)
python=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

# start NAME PROGRAM…: runs beside us, its output in a file; returns once WAIT_FOR has been said there.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 600); do
        if grep -q "$WAIT_FOR" "$work/$name.log"; then return; fi
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name did not start:" >&2
    cat "$work/$name.log" >&2
    exit 1
}

# check WANTED COMMAND…: its output has the line WANTED.
check() {
    local wanted=$1
    shift
    echo "+ ${*/#$built\//}"
    "$@" | tee "$work/out" | sed 's/^/  /'
    grep -q "$wanted" "$work/out" || { echo "not found: $wanted" >&2; exit 1; }
}

WAIT_FOR=BOOTSTRAP_SERVERS start broker "$built/examples/local_broker"
WAIT_FOR='listens on' start gateway "$built/almoner" gateway-sim --listen 127.0.0.1:0
eval "$(grep '^export' "$work/broker.log")"
address=$(sed -n 's/.*listens on \([0-9.:]*\).*/\1/p' "$work/gateway.log")
export ALMONER__GATEWAY__BASE_URL=http://$address
export ALMONER__GATEWAY__API_KEY=sk_test_almoner
export ALMONER__DONATIONS__UNKNOWN_CAMPAIGNS=accept
export ALMONER__STORE__PATH=$work/store
export ALMONER__HTTP__LISTEN=127.0.0.1:0
export ALMONER__ADMIN__LISTEN=127.0.0.1:0
"$built/almoner" config check
WAIT_FOR='shard taken over' start service "$built/almoner" run

rust=("$built/examples/publish" --user ann)
py=("$python" -B "$here/examples/publish.py" --user bob)
id=01a1fe62-490e-74c6-8279-3742373aea4a
check '^donation.succeeded' "${rust[@]}" --id $id
check '^donation.succeeded' "${rust[@]}" --id $id
check 'reason: id_reused' "${rust[@]}" --id $id --amount-minor 1
check 'reason: card_declined' "${rust[@]}" --amount-minor 700 --payment-method pm_card_chargeDeclined
check 'type: donation.succeeded' "${py[@]}"
check 'type: donation.needs_confirmation' "${py[@]}"
id=$(sed -n 's/^asked: donation //p' "$work/out")
check 'type: donation.succeeded' "${py[@]}" --type confirm --id "$id"
check 'reason: already_answered' "${py[@]}" --type cancel --id "$id"
