#!/usr/bin/env bash
# Holds docker/ to what can be known without a daemon: hadolint reads the Dockerfile, Compose's own library the compose file,
# and check.py holds both against the built binary and the repository.
#
#   tests/docker/check.sh target/release .cache/…/bin/python
set -euo pipefail
built=$(cd "$1" && pwd)
python=$2
COMPOSE_GO=v2.16.2
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${ALMONER_CACHE:-$repository/.cache}
compose=$cache/bin/compose-go-$COMPOSE_GO

if [ ! -x "$compose" ]; then
    echo "compose-go: installing $COMPOSE_GO into $cache/bin" >&2
    mkdir -p "$cache/bin/compose"
    GOBIN=$cache/bin/compose go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO"
    mv "$cache/bin/compose/cmd" "$compose"
fi

cd "$repository/docker"
"$(dirname "$python")/hadolint" Dockerfile
"$compose" -format json compose.yaml | "$python" -B "$repository/tests/docker/check.py" "$repository" "$built/almoner"
