# Shared by the scripts beside it; sourced, never run.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/printfarm
VENV=${PRINTFARM_VENV:-$ROOT/.venv}
PYTHON=$VENV/bin/python

# Without byte code every start compiles Home Assistant anew, and a Python path of
# the caller's would put other packages before those of the venv.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV

# A network may have a certificate authority of its own, which the machine knows and the
# list that uv carries does not.
[ ! -s /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# Print the path of a uv that works: the machine's, or one put into the cache, where
# it needs no rights and changes nothing that the machine's own packages rely on.
find_uv() {
    local uv
    for uv in uv "$CACHE/uv/bin/uv"; do
        if "$uv" --version >/dev/null 2>&1; then
            command -v "$uv"
            return
        fi
    done
    say 'getting uv with pip'
    python3 -m pip install --quiet --target "$CACHE/uv" --upgrade uv >&2
    "$CACHE/uv/bin/uv" --version >&2
    printf '%s\n' "$CACHE/uv/bin/uv"
}
