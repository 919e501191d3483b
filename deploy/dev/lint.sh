#!/usr/bin/env bash
# `make lint`: everything that can be said about the code without running it. The quick checks come first;
# all are made even when one fails, so that one run tells everything.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
cargo=${CARGO:-cargo} python=${PYTHON:-python3} failed=()

check() { # NAME COMMAND...
    local name=$1 began=$SECONDS
    shift
    if "$@"; then
        printf '%-10s ok (%s s)\n' "$name" $((SECONDS - began))
    else
        printf '%-10s FAILED\n' "$name"
        failed+=("$name")
    fi
}

scripts() { # every script of ours compiles
    local path
    while IFS= read -r path; do
        "$python" -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$path" || return 1
    done < <(git ls-files --cached --others --exclude-standard '*.py')
    for path in .ci/run deploy/dev/*.sh; do
        bash -n "$path" || return 1
    done
}

check tree "$python" deploy/dev/tree.py
check rooms "$python" deploy/dev/rooms.py
check scripts scripts
if command -v shellcheck >/dev/null; then
    check shell shellcheck .ci/run deploy/dev/*.sh
fi
check format "$cargo" fmt --all --check
check packages "$python" deploy/dev/packages.py
check clippy "$cargo" clippy --workspace --all-targets --locked -- -D warnings

if ((${#failed[@]})); then
    echo "lint: failed: ${failed[*]}"
    exit 1
fi
echo "lint: all is well"
