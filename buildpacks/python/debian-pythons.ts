// The Pythons of Debian's other suites: which there are (a list for PlanContext.listVersions), and how packages of another suite are fetched without
// changing the stack's own apt. Used by python-version.ts and runtime-layers.ts.
import type { VersionList } from '@berth/builder/plan/plan.ts';
import { compareReleases, releaseOf } from './version-range.ts';

export interface PythonRelease {
  version: string;
  suite: string;
}

/** Only suites whose Pythons run on the stack's C library and OpenSSL. */
const suites = ['bookworm', 'sid'];

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

const listScript = `${privateAptScript}
apt_prepare $SUITES >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
names=$(apt-cache $APT_OPTIONS pkgnames python3. | grep -x 'python3[.][0-9][0-9]*')
apt-cache $APT_OPTIONS madison $names
`;

export const debianPythons = {
  list: {
    name: 'debian-pythons',
    of: 'Python',
    script: listScript,
    env: { SUITES: suites.join(' ') },
    parse: (output) => {
      const lines = output.split('\n').flatMap((line) => {
        const [, version, suite] =
          /^\s*python3\.\d+ \|\s*(\d+\.\d+\.\d+)[-+]\S* \| \S+ (\w+)\/main /.exec(line) ?? [];
        return version && suite ? [`${version} ${suite}`] : [];
      });
      if (lines.length === 0) throw new Error(`no Python in ${output.slice(0, 200)}`);
      return [...new Set(lines)];
    },
  } satisfies VersionList,
  /** Oldest first. */
  parse: (lines: readonly string[]): PythonRelease[] =>
    lines
      .map((line) => ({ version: line.split(' ')[0] ?? '', suite: line.split(' ')[1] ?? '' }))
      .sort((a, b) => compareReleases(releaseOf(a.version), releaseOf(b.version))),
};

/** Fetches the packages named in $PACKAGES of $SUITE and unpacks their /usr below $PREFIX. */
export const unpackScript = `${privateAptScript}
apt_prepare "$SUITE"
mkdir -p "$ROOT/debs" "$ROOT/unpacked" "$PREFIX"
cd "$ROOT/debs"
apt-get -qq $APT_OPTIONS download $UNPACKED
for file in *.deb; do dpkg-deb -x "$file" "$ROOT/unpacked"; done
`;
