#!/usr/bin/env bash
# Goes on fuzzing from a fresh seed: `tests/fuzz.sh [SECONDS] [TARGET…]`, 60 if nothing is said, shared by all targets or
# by those that are named (`tests/fuzz/targets.rs` has the list).
#
# By the coverage of the code, where `ALMONER_FUZZ_GUIDED=1` asks for it: with libFuzzer, which takes a C++ compiler and, the first
# time, a few minutes to build. What it has reached is kept in `$ALMONER_CACHE/fuzz` (else `.cache/fuzz`), and the next run
# goes on from there. Else by the fates that inputs meet, which takes no build beyond that of the tests.
#
# A failure names the file that the input was written to. Unguided, `ALMONER_FUZZ_SEED=SEED tests/fuzz.sh` takes the same way
# again. CARGO_TEST is how the tests are built, `cargo test` if nothing is said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${1:-}" = --help ]; then
    sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' tests/fuzz.sh
    exit
fi
seconds=${1:-60}
shift $(($# > 0))
known=$(sed -n 's/^    \([a-z_]*\): super::.*,$/\1/p' tests/fuzz/targets.rs)
read -ra targets <<<"${*:-$(echo $known)}"
share=$(((seconds + ${#targets[@]} - 1) / ${#targets[@]}))
export ALMONER_FUZZ_SEED=${ALMONER_FUZZ_SEED:-$(date +%s)}

by_fates() {
    local said result=0 names=()
    local cargo_test
    read -ra cargo_test <<<"${CARGO_TEST:-cargo test}"
    for target in "${targets[@]}"; do names+=("targets::each::$target"); done
    said=$(ALMONER_FUZZ_SECONDS=$share "${cargo_test[@]}" --quiet --test fuzz -- --exact --test-threads 1 --nocapture "${names[@]}") ||
        result=1
    echo "$said"
    # Without a match cargo would be content with no test at all.
    [ "$result" = 0 ] && [ "$(grep -c 'inputs from seed' <<<"$said")" = "${#targets[@]}" ]
}

by_coverage() {
    local cache=${ALMONER_CACHE:-$PWD/.cache}/fuzz program target failed=0
    program=${CARGO_TARGET_DIR:-target}/release/almoner-fuzz-guided
    RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/guided/rustc.sh cargo build --release --workspace \
        --features almoner-fuzz-guided/libfuzzer --bin almoner-fuzz-guided
    for target in "${targets[@]}"; do
        mkdir -p "$cache/$target" "$cache/failed"
        echo "== $target"
        export ALMONER_FUZZ_TARGET=$target
        ALMONER_FUZZ_BEGIN=$cache/$target "$program"
        # What it allocates is held to its bounds by the targets.
        "$program" "$cache/$target" -artifact_prefix="$cache/failed/$target-" -max_total_time="$share" -max_len=16384 \
            -timeout=60 -rss_limit_mb=0 -print_final_stats=1 -verbosity=0 || failed=1
    done
    return "$failed"
}

way=fates
[ "${ALMONER_FUZZ_GUIDED:-}" = 1 ] && way=coverage
echo "seed $ALMONER_FUZZ_SEED, by $way, $share s for each of ${#targets[@]} targets"
"by_$way"
