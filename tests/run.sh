#!/usr/bin/env bash
# Every test of the project, one step after another: `tests/run.sh`, or some of them by name: `tests/run.sh format tests`.
# By name alone: `tests/run.sh tls`, since it builds OpenSSL from source and much of the project a second time, and
# `tests/run.sh cluster`, which takes long.
#
# It needs a Rust toolchain, a C and a C++ compiler and make; the outside judges need Python 3 and Go as well, the real Kafka a
# JDK and Maven. What else is needed is installed into .cache/. Where one of these is missing, what needs it is left out and
# said so; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export ALMONER_CACHE=${ALMONER_CACHE:-$PWD/.cache}
# Rust's own test runs say this by themselves; those of the steps must agree with it, or everything is built twice.
cargo_test=(cargo test --release --workspace)
built=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)/release
wanted=("$@")
report=()
failed=0

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
missing() { for tool in "$@"; do command -v "$tool" >/dev/null || { echo "$tool"; return; }; done; }

# step NAME "TOOLS" "what it does" COMMAND…: a step that fails does not keep the others from being run.
step() {
    local name=$1 tools=$2 what=$3 began=$SECONDS result=passed lacks
    shift 3
    if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
    say "$name: $what"
    # shellcheck disable=SC2086 # TOOLS is a list
    lacks=$(missing $tools)
    if [ -n "$lacks" ] && [ "${CI:-}" = true ]; then
        echo "$lacks is not installed" >&2
        result=FAILED
    elif [ -n "$lacks" ]; then
        echo "left out: $lacks is not installed"
        result="left out: no $lacks"
    elif ! "$@"; then
        result=FAILED
    fi
    [ "$result" != FAILED ] || failed=$((failed + 1))
    report+=("$(printf '%-10s %5d s  %s' "$name" $((SECONDS - began)) "$result")")
}

# python_with REQUIREMENTS…: a Python with these packages, made once for each state of the files.
python_with() {
    local venv files=("$@")
    venv=$ALMONER_CACHE/python-$(cat "${files[@]}" | cksum | cut -d' ' -f1)
    if [ ! -e "$venv/.complete" ]; then
        echo "installing $(cat "${files[@]}" | tr '\n' ' ')into $venv" >&2
        python3 -m venv --clear "$venv" >&2 || return
        "$venv/bin/pip" install --quiet --disable-pip-version-check ${files[@]/#/-r } >&2 || return
        touch "$venv/.complete"
    fi
    echo "$venv/bin/python"
}

contract() {
    local python
    python=$(python_with tests/contract/requirements.txt) && "$python" -B tests/contract/check.py
}

# What docker/ has, as far as it can be tried without a daemon.
docker_files() {
    local python
    python=$(python_with tests/docker/requirements.txt) && tests/docker/check.sh "$built" "$python"
}

stripe_mock() {
    local addr said result=0
    addr=$(tests/outside/stripe_mock.sh start) || return
    said=$(STRIPE_MOCK_ADDR=$addr "${cargo_test[@]}" --quiet --test gateway stripe_mock) || result=1
    tests/outside/stripe_mock.sh stop
    echo "$said"
    # Without a match cargo would be content with no test at all.
    grep -q '^test result: ok. 1 passed' <<<"$said" && return $result
}

# Everything of Kafka on a real broker, and what needs one.
kafka() {
    local result=0
    ALMONER_KAFKA=$(tests/services/kafka.sh start) || return
    export ALMONER_KAFKA
    # The other stories of the whole binary are long, and the mock cluster has them in the step before.
    "${cargo_test[@]}" --no-fail-fast --test kafka || result=1
    "${cargo_test[@]}" --test whole real:: || result=1
    tests/services/kafka.sh forget
    unset ALMONER_KAFKA
    return $result
}

# The store's contract, crashes and faults on a real CQL server.
cassandra() {
    local result=0
    ALMONER_CASSANDRA=$(tests/services/cassandra.sh start) || return
    export ALMONER_CASSANDRA
    "${cargo_test[@]}" --no-fail-fast --test stores --test operations cassandra -- --test-threads=3 || result=1
    tests/services/cassandra.sh forget
    unset ALMONER_CASSANDRA
    return $result
}

# Several instances of the whole binary on both.
cluster() {
    local result=0
    ALMONER_KAFKA=$(tests/services/kafka.sh start) || return
    # What the server acknowledges is not lost unless it is killed, and here nobody kills it.
    ALMONER_CASSANDRA=$(ALMONER_CASSANDRA_SYNC=periodic tests/services/cassandra.sh start cluster) || result=1
    export ALMONER_KAFKA ALMONER_CASSANDRA
    [ $result -ne 0 ] || "${cargo_test[@]}" --test whole cluster:: -- --test-threads=1 || result=1
    tests/services/cassandra.sh forget cluster
    tests/services/kafka.sh forget
    unset ALMONER_KAFKA ALMONER_CASSANDRA
    return $result
}

# TLS to the broker, in a build that has it: with the machine's own OpenSSL where its headers are, which saves
# most of the time.
tls() {
    local said result=0
    pkg-config --exists openssl 2>/dev/null && export OPENSSL_NO_VENDOR=${OPENSSL_NO_VENDOR-1}
    said=$("${cargo_test[@]}" --quiet --features kafka-tls --test kafka tls::) || result=1
    echo "$said"
    # Without a match cargo would be content with no test at all.
    grep -q '^test result: ok. [1-9]' <<<"$said" && return $result
}

examples() {
    local python
    python=$(python_with examples/requirements.txt) && tests/examples.sh "$built" "$python"
}

step format "" "the sources look as rustfmt writes them" \
    cargo fmt --check
step lint "" "clippy has nothing to say" \
    cargo clippy --workspace --all-targets --quiet -- -D warnings
step tests "" "unit, property, contract, crash and product tests" \
    "${cargo_test[@]}" --no-fail-fast
step kafka "java mvn" "groups, logs, rights, outages and crashes on a real Kafka" \
    kafka
step cassandra "java mvn python3" "the store on a real Apache Cassandra" \
    cassandra
step fuzz "" "what reads bytes from outside goes on reading" \
    env CARGO_TEST="${cargo_test[*]}" tests/fuzz.sh 60
step contract "python3" "another language reads and writes the same messages" \
    contract
step judges "python3 go" "Stripe's own client and published schema judge the gateway simulator" \
    env ALMONER_BIN="$built/almoner" tests/outside/run.sh
step stripe "python3 go" "stripe-mock judges what our gateway client sends" \
    stripe_mock
step docker "python3 go" "the image and the cluster of docker/ are what the binary and the judges expect" \
    docker_files
step examples "python3" "the README's examples publish to a running service and get their answers" \
    examples
# By name alone.
[ ${#wanted[@]} -eq 0 ] || step cluster "java mvn python3" "several instances on a real Kafka and a real Cassandra" \
    cluster
[ ${#wanted[@]} -eq 0 ] || step tls "perl" "TLS to the broker, in a build that has it" \
    tls

say "summary"
printf '%s\n' "${report[@]:-no step has such a name: ${wanted[*]}}"
[ ${#report[@]} -gt 0 ] && [ "$failed" -eq 0 ]
