# The judges, pinned. Sourced by the scripts here.
STRIPE_PYTHON=16.1.0
JSONSCHEMA=4.26.0
STRIPE_MOCK=v0.203.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=${ALMONER_CACHE:-$repository/.cache}
