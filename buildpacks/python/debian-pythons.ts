// The Pythons of Debian's other suites: which there are (a list for PlanContext.listVersions). Used by python-version.ts and runtime-layers.ts.
import { privateAptScript } from '@berth/builder/plan/other-suite.ts';
import type { VersionList } from '@berth/builder/plan/plan.ts';
import { compareReleases, releaseOf } from './version-range.ts';

export interface PythonRelease {
  version: string;
  suite: string;
}

/** Only suites whose Pythons run on the stack's C library and OpenSSL. */
const suites = ['bookworm', 'sid'];

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
