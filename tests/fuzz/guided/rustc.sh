#!/bin/sh
# The compiler, having what it makes count which of its branches are taken, for libFuzzer: cargo's wrapper for the crates of
# this project, so that their dependencies are those of the usual release build. It takes no nightly compiler.
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
