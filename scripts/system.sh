#!/usr/bin/env bash
# Install the system packages that are missing: OpenGL for the simulator, Chromium for the report's test, what Python needs
# to build one small dependency of the simulator (evdev has no wheels).
set -euo pipefail
missing=()
has_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }
has_library libEGL.so.1 || missing+=(libegl1)
has_library libGL.so.1 || missing+=(libgl1)
has_library libglib-2.0.so.0 || missing+=(libglib2.0-0)
dpkg -s libgl1-mesa-dri >/dev/null 2>&1 || missing+=(libgl1-mesa-dri)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
python3 -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' >/dev/null 2>&1 ||
    missing+=(python3-dev)
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "System packages are missing; install them first: sudo apt-get install ${missing[*]}" >&2
        exit 2
    fi
    as_root=(sudo)
fi
if ! command -v apt-get >/dev/null; then
    echo "System packages are missing and there is no apt-get to install them: ${missing[*]}" >&2
    exit 2
fi
echo "Installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -q >/dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
