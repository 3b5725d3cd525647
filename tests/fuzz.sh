#!/usr/bin/env bash
# Goes on fuzzing from a fresh seed: `tests/fuzz.sh [SECONDS]`, 60 if nothing is said, shared by all targets.
# A failure names the file with the input, and the seed: `ALMONER_FUZZ_SEED=… tests/fuzz.sh` begins there again.
# CARGO_TEST says how the tests are built, so that they are built once: `cargo test --release --workspace`, say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
read -ra cargo_test <<<"${CARGO_TEST:-cargo test}"
export ALMONER_FUZZ_SEED=${ALMONER_FUZZ_SEED:-$(date +%s)}
targets=$(cat tests/fuzz/*.rs src/gateway/fuzz.rs | grep -c '^    Target {$')
export ALMONER_FUZZ_SECONDS=$(((seconds + targets - 1) / targets))
echo "seed $ALMONER_FUZZ_SEED, $ALMONER_FUZZ_SECONDS s for each of $targets targets"
"${cargo_test[@]}" --quiet --test fuzz -- --test-threads 1 --nocapture
"${cargo_test[@]}" --quiet --lib gateway::fuzz -- --test-threads 1 --nocapture
