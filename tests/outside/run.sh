#!/usr/bin/env bash
# Lets judges that we did not write look at the gateway simulator: Stripe's own Python client drives it, and its answers
# must fit the schema that Stripe publishes (it comes with the stripe-mock module). What is missing is installed into
# $ALMONER_CACHE (default: .cache in the repository).
#
#   ALMONER_BIN=target/release/almoner tests/outside/run.sh
set -euo pipefail
source "$(dirname "$0")/versions.sh"

say() { echo "outside judges: $*" >&2; }
needs() { command -v "$1" >/dev/null || { say "$1 is needed ($2)"; exit 2; }; }
needs python3 "Debian: python3 python3-venv"
needs go "https://go.dev/dl"

venv=$cache/outside-$STRIPE_PYTHON-$JSONSCHEMA
if [ ! -e "$venv/.complete" ]; then
    say "installing stripe $STRIPE_PYTHON and jsonschema $JSONSCHEMA into $venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "stripe==$STRIPE_PYTHON" "jsonschema==$JSONSCHEMA"
    touch "$venv/.complete"
fi

# `go mod download` wants a module to stand in; any will do.
module=$(cd "$(mktemp -d)" && go mod init judge 2>/dev/null && go mod download -json "github.com/stripe/stripe-mock@$STRIPE_MOCK")
STRIPE_SPEC=$("$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["Dir"])' <<<"$module")/embedded/openapi/spec3.json
export STRIPE_SPEC

if [ -z "${ALMONER_BIN:-}" ]; then
    for candidate in "$repository"/target/{release,debug}/almoner; do
        if [ -x "$candidate" ]; then ALMONER_BIN=$candidate; break; fi
    done
fi
[ -x "${ALMONER_BIN:-}" ] || { say "build almoner first, or name it in ALMONER_BIN"; exit 2; }
ALMONER_BIN=$(realpath "$ALMONER_BIN")
export ALMONER_BIN

cd "$here"
exec "$venv/bin/python" -B -m unittest "$@" judge_client judge_schema
