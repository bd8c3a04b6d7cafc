#!/bin/sh
# Installs a program of Alumet from a release: the package of this distribution, or else an archive into /usr/local.
# It downloads two files into a temporary folder, compares the checksum, and calls the package manager or tar. Nothing else
# changes, and nothing is asked. --help tells the options, --dry-run what would be done.
set -eu

RELEASES=${ALUMET_RELEASES:-https://github.com/alumet-dev/alumet/releases}

usage() {
    cat <<'EOF'
Usage: install.sh [OPTION]... [agent|server]

Installs the agent, or the server, of Alumet.

  --version V   this version, such as 0.1.0, instead of the latest
  --archive     the archive instead of the package: into /usr/local, without a service
  --dry-run     downloads and checks, says what would be run, and installs nothing
  --help        this text

The variable ALUMET_RELEASES says where releases are, if not at GitHub.
EOF
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

program=agent version='' dry_run='' format=''
while [ $# -gt 0 ]; do
    case $1 in
        --version) [ $# -gt 1 ] || fail "--version takes a version, such as 0.1.0"; version=$2; shift ;;
        --archive) format=archive ;;
        --dry-run) dry_run=yes ;;
        --help) usage; exit ;;
        agent | server) program=$1 ;;
        *) fail "'$1' is not known; --help tells what is" ;;
    esac
    shift
done

[ "$(uname -s)" = Linux ] || fail "it runs on Linux only"
case $(uname -m) in
    x86_64) machine=x86_64 debian=amd64 ;;
    aarch64) machine=aarch64 debian=arm64 ;;
    *) fail "there is no release for $(uname -m); cargo install builds one" ;;
esac
[ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || fail "only root may install; run it with sudo, or with --dry-run"

if [ -z "$format" ]; then
    if command -v apt-get >/dev/null; then format=deb
    elif command -v rpm >/dev/null; then format=rpm
    else format=archive
    fi
fi
case $format in
    deb) pattern="alumet-${program}_.*_$debian\.deb" ;;
    rpm) pattern="alumet-$program-.*\.$machine\.rpm" ;;
    archive) pattern="alumet-$program-.*-$machine-linux\.tar\.gz" ;;
esac

if command -v curl >/dev/null; then
    download() { curl --fail --silent --show-error --location --output "$2" "$1"; }
elif command -v wget >/dev/null; then
    download() { wget --quiet --output-document="$2" "$1"; }
else
    fail "neither curl nor wget is here to download with"
fi

if [ -n "$version" ]; then release=$RELEASES/download/v$version; else release=$RELEASES/latest/download; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
download "$release/SHA256SUMS" "$folder/SHA256SUMS" || fail "$release has no list of files"
sum=$(grep "  $pattern\$" "$folder/SHA256SUMS") || fail "$release has no $format of the $program for $machine"
file=${sum##* }
download "$release/$file" "$folder/$file" || fail "$release/$file cannot be downloaded"
(cd "$folder" && echo "$sum" | sha256sum -c - >/dev/null) ||
    fail "$file is not the file of the release: its checksum is another. Nothing is installed"

case $format in
    deb) set -- apt-get install --yes "$folder/$file" ;;
    rpm) set -- rpm --upgrade "$folder/$file" ;;
    archive) set -- tar --extract --gzip --file "$folder/$file" --directory /usr/local --strip-components 1 --no-same-owner ;;
esac
echo "$file: the checksum is right"
echo "+ $*"
[ -n "$dry_run" ] || "$@"
