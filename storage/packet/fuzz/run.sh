#!/bin/sh
# Builds the fuzz target with stable Rust and runs it: storage/packet/fuzz/run.sh [SECONDS]
# Ends with 0 if nothing was found; else the input that did it lies in the folder named at the end.
set -eu
seconds=${1:-60}
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/noctuary/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
corpus=$target/corpus
found=$target/found
mkdir -p "$corpus" "$found" "$target/seeds"

# What cargo-fuzz would pass, less the address sanitiser, which needs a nightly compiler and finds little in a crate
# without `unsafe`. A target is named so that build scripts and macros are not instrumented.
export RUSTFLAGS="--cfg fuzzing -C codegen-units=1 -C passes=sancov-module \
 -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
 -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --locked --manifest-path "$here/Cargo.toml" --target "$host" --target-dir "$target" \
    --bin frame_walk
echo "fuzzing for $seconds s; what is found goes to $found"
export NOCTUARY_FUZZ_SEEDS="$target/seeds"
exec "$target/$host/release/frame_walk" "$corpus" "$target/seeds" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$found/" -print_final_stats=1
