#!/usr/bin/env bash
# Goes on fuzzing from a fresh seed: `tests/fuzz.sh [SECONDS]`, 60 if nothing is said, shared by all targets.
#
# A failure names the file that the input was written to; `ALMONER_FUZZ_SEED=SEED tests/fuzz.sh` takes the same way again.
# CARGO_TEST is how the tests are built, `cargo test` if nothing is said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -ra cargo_test <<<"${CARGO_TEST:-cargo test}"
targets=$(cat tests/fuzz/*.rs src/gateway/fuzz.rs | grep -c '^    Target {$')
export ALMONER_FUZZ_SEED=${ALMONER_FUZZ_SEED:-$(date +%s)}
export ALMONER_FUZZ_SECONDS=$(((${1:-60} + targets - 1) / targets))
echo "seed $ALMONER_FUZZ_SEED, $ALMONER_FUZZ_SECONDS s for each of $targets targets"

result=0
said=$(
    "${cargo_test[@]}" --quiet --test fuzz -- --test-threads 1 --nocapture --skip cards &&
        "${cargo_test[@]}" --quiet --lib gateway::fuzz -- --test-threads 1 --nocapture
) || result=1
echo "$said"
# Without a match cargo would be content with no test at all.
[ "$result" = 0 ] && [ "$(grep -c 'inputs from seed' <<<"$said")" = "$targets" ]
