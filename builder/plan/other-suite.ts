// How packages of another suite of Debian are fetched and unpacked without changing the stack's own apt: shell for drivers whose language has
// versions there. Constant text; names come from the driver, never from a tree.

/**
 * Shell functions over an apt of its own below $ROOT, fed from the mirror that the stack's own lists name: `apt_prepare SUITE…`, then `$APT_OPTIONS`.
 * Indexes and archives are checked against Debian's keys, as always. Only their age is not: a mirror may be a frozen copy, and the
 * operator chose it.
 */
export const privateAptScript = `
apt_prepare() {
  ROOT=$(mktemp -d)
  mirror=$(sed -n 's#^deb .*\\(https\\{0,1\\}://[^ ]*/debian\\)/\\{0,1\\} .*#\\1#p; s#^URIs: *\\(https\\{0,1\\}://[^ ]*/debian\\)/\\{0,1\\} *$#\\1#p' \\
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt"; exit 1; }
  mkdir -p "$ROOT/lists/partial" "$ROOT/archives/partial"
  : > "$ROOT/status"
  for suite in "$@"; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
  done > "$ROOT/sources.list"
  APT_OPTIONS="-o Dir::Etc::SourceList=$ROOT/sources.list -o Dir::Etc::SourceParts=/nonexistent -o Dir::Etc::Preferences=/nonexistent
    -o Dir::State::Lists=$ROOT/lists -o Dir::State::status=$ROOT/status -o Dir::Cache=$ROOT -o APT::Sandbox::User=root
    -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3"
  apt-get -qq $APT_OPTIONS update
}
`;

/** Fetches the packages named in $UNPACKED of $SUITE and unpacks their /usr below $PREFIX. */
export const unpackScript = `${privateAptScript}
apt_prepare "$SUITE"
mkdir -p "$ROOT/debs" "$ROOT/unpacked" "$PREFIX"
cd "$ROOT/debs"
apt-get -qq $APT_OPTIONS download $UNPACKED
for file in *.deb; do dpkg-deb -x "$file" "$ROOT/unpacked"; done
`;
