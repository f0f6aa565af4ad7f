# Functions for the scripts: they find a Python that works, and execute a program with it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Succeeds if the command is a Python from 3.11 on that has venv, which some systems install separately.
# A `python3` on PATH may also be a script of a version manager that has no Python installed.
works() {
    "$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if works "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No working Python from 3.11 on with its venv module was found on PATH: install one first." >&2
    return 1
}

# Replaces this script's process (exec), so that a signal to it reaches the program, which stops its children cleanly.
start() {
    local python
    python=$(find_python)
    exec "$python" "$root/tools/local/install.py" "$@"
}

# Executes a program of tools/ in the virtual environment that scripts/run and scripts/test have made.
# Installs the program's own requirements.txt first, and makes the modules of tools/shared importable.
hand_over() {
    local program="$root/tools/$1" python=${EECRM_HOME:-$root/.local}/venv/bin/python
    if [ ! -x "$python" ]; then
        echo "There is no virtual environment yet: scripts/run and scripts/test make one." >&2
        exit 1
    fi
    if [ -f "$program/requirements.txt" ]; then
        "$python" -m pip install -qq --disable-pip-version-check --requirement "$program/requirements.txt"
    fi
    PYTHONPATH="$root/tools/shared" exec "$python" "$program" "${@:2}"
}
