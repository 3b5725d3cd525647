#!/usr/bin/env bash
# Starts stripe-mock, which holds requests against Stripe's published API, on a free port of this machine.
#
#   addr=$(tests/outside/stripe_mock.sh start)    prints host:port; installs it into $ALMONER_CACHE if need be
#   tests/outside/stripe_mock.sh stop
set -euo pipefail
source "$(dirname "$0")/versions.sh"

program=$cache/bin/stripe-mock-$STRIPE_MOCK
state=$cache/stripe-mock.state   # "pid host:port"

install_it() {
    [ -x "$program" ] && return
    command -v go >/dev/null || { echo "stripe-mock: go is needed (https://go.dev/dl)" >&2; exit 2; }
    echo "stripe-mock: installing $STRIPE_MOCK into $cache/bin" >&2
    mkdir -p "$cache/bin"
    GOBIN=$cache/bin go install "github.com/stripe/stripe-mock@$STRIPE_MOCK"
    mv "$cache/bin/stripe-mock" "$program"
}

stop_it() {
    [ -e "$state" ] || return 0
    read -r pid _ <"$state"
    # Only if it is still ours: a number may have gone to another process.
    if [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$program")" ]; then kill "$pid"; fi
    rm -f "$state"
}

start_it() {
    install_it
    stop_it
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    addr=127.0.0.1:$port
    "$program" -http-addr "$addr" >"$cache/stripe-mock.log" 2>&1 </dev/null &
    echo "$! $addr" >"$state"
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$addr"; return; fi
        sleep 0.05
    done
    echo "stripe-mock did not start; its log is $cache/stripe-mock.log" >&2
    exit 1
}

case ${1:-} in
    start) start_it ;;
    stop) stop_it ;;
    *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
