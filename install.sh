#!/bin/sh
# Install CL Workbench, or bring an installation up to date, on this machine.
set -eu

usage() {
    cat <<'TEXT'
Install CL Workbench: get the source, make its environment, link the command.

  sh install.sh                 run inside a checkout: install that checkout as it is
  REPO_URL=... sh install.sh    clone the repository, or update the clone made before
  sh install.sh --environment   only make .venv in the checkout that holds this file
  sh install.sh --help          show this text

Safe to run again: what is up to date is left alone, and your own files always are.

Variables:
  REPO_URL     where to clone from; needed only outside a checkout
  PROJECT_DIR  where the clone goes (~/cl-workbench)
  BIN_DIR      where the command is linked (~/.local/bin)
  PYTHON       the Python to use, 3.11 to 3.13 (the first one found on the PATH)
TEXT
}

say() { printf '%s\n' "$*"; }

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

main() {
    case "${1:-}" in
        "") ;;
        --environment)
            here=$(own_checkout) || fail "--environment works only inside a checkout."
            make_environment "$here"
            return
            ;;
        -h | --help) usage; return ;;
        *) usage >&2; exit 2 ;;
    esac
    [ -n "${HOME:-}" ] || fail "HOME is not set: set it to your home folder."
    bin=${BIN_DIR:-$HOME/.local/bin}
    if [ -z "${REPO_URL:-}${PROJECT_DIR:-}" ] && here=$(own_checkout); then
        project=$here
    else
        project=${PROJECT_DIR:-$HOME/cl-workbench}
        get_source "$project"
        project=$(cd "$project" && pwd)
    fi
    # The source may just have been updated, so its own installer goes on from here.
    sh "$project/install.sh" --environment
    link_command "$project/.venv/bin/cl-workbench" "$bin"
}

# The checkout that holds this file; none where the script comes through a pipe.
own_checkout() {
    case "$0" in */install.sh | install.sh) ;; *) return 1 ;; esac
    folder=$(cd "$(dirname "$0")" && pwd) || return 1
    is_project "$folder" && printf '%s\n' "$folder"
}

is_project() {
    [ -f "$1/install.sh" ] && grep -qs '^name = "cl-workbench"$' "$1/pyproject.toml"
}

get_source() {
    command -v git >/dev/null 2>&1 || fail "git is missing: install it, then run this again."
    if [ -e "$1/.git" ]; then
        update_source "$1"
        return
    fi
    if [ -e "$1" ] && [ -n "$(ls -A "$1")" ]; then
        fail "$1 is there and is no git checkout: set PROJECT_DIR to another folder."
    fi
    from=${REPO_URL:-$(own_checkout || true)}
    [ -n "$from" ] || fail "set REPO_URL to the address of the repository, then run this again."
    say "Cloning $from into $1"
    git clone --quiet "$from" "$1" ||
        fail "git could not clone $from: check REPO_URL, the network and your access."
    is_project "$1" || fail "what was cloned into $1 is not CL Workbench: check REPO_URL."
}

update_source() {
    is_project "$1" || fail "$1 holds another project: set PROJECT_DIR to another folder."
    [ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] ||
        fail "$1 has changes of yours; commit or stash them, then run this again. Nothing was changed."
    git -C "$1" rev-parse --quiet --verify '@{upstream}' >/dev/null 2>&1 ||
        fail "$1 is on no branch that follows a remote one; run 'git switch main' there first. Nothing was changed."
    say "Updating $1"
    git -C "$1" fetch --quiet ||
        fail "git could not reach the remote of $1: check the network and your access. Nothing was changed."
    git -C "$1" merge --quiet --ff-only '@{upstream}' ||
        fail "$1 can't be brought forward, as it has commits or files of its own; merge or rebase there by hand. Nothing was changed."
}

make_environment() {
    cd "$1"
    wanted=$(cksum pyproject.toml constraints.txt)
    if [ "$(cat .venv/.installed 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
        say "The environment in $1/.venv is up to date."
        touch .venv/.installed
        return
    fi
    python=$(find_python)
    rm -f .venv/.installed
    if ! .venv/bin/python -c '' 2>/dev/null; then
        say "Making the environment in $1/.venv"
        "$python" -m venv --clear .venv ||
            fail "$python could not make an environment: install its venv module (on Debian: apt install python3-venv)."
    fi
    say "Installing the packages (torch is large, the first time takes minutes)"
    .venv/bin/python -m pip install --quiet -c constraints.txt -e ".[dev]" ||
        fail "pip could not install the packages: its message is above; check the network and the free disk space, then run this again."
    printf '%s\n' "$wanted" >.venv/.installed
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13: name another one."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python 3.11, 3.12 or 3.13 was found: install one, or set PYTHON to its path."
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

link_command() {
    link=$2/cl-workbench
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        fail "$link is a file of yours and was left alone: move it or set BIN_DIR to another folder."
    fi
    mkdir -p "$2" || fail "$2 can't be made: set BIN_DIR to a folder that you can write to."
    ln -sfn "$1" "$link" || fail "$link can't be written: set BIN_DIR to another folder."
    say "Installed: $link"
    case ":$PATH:" in
        *":$2:"*) say "Start it with: cl-workbench" ;;
        *)
            say "$2 is not on your PATH. Start it with: $link"
            say "or add this line to your shell's profile: export PATH=\"$2:\$PATH\""
            ;;
    esac
}

main "$@"
