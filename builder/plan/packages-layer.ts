// Debian packages as a layer of everybody's: what a language's runtime is when the stack's own suite has it. Used by drivers.
// Names come from the driver, never from a tree.
import type { RunLayer } from './plan.ts';

export interface PackagesLayer {
  id: string;
  /** "Python 3.13 (Debian)" */
  title: string;
  /** Names of the stack's suite. */
  packages: readonly string[];
  /** Layers below: those with packages of their own must be among them, so that one list of packages is true. */
  on?: string[];
  inImage?: boolean;
}

/** Installed by apt over the run stack; kept whole, without documentation and package lists. */
export function packagesLayer({ id, title, packages, on = [], inImage = true }: PackagesLayer): RunLayer {
  const names = [...packages].sort();
  return {
    kind: 'run',
    id,
    inImage,
    title: `Installing ${title}`,
    step: 'runtime',
    on,
    key: names,
    scope: 'platform',
    files: [],
    stack: 'run',
    user: 'root',
    script: installScript,
    env: { PACKAGES: names.join(' '), DEBIAN_FRONTEND: 'noninteractive' },
    path: [],
    vars: 'none',
    caches: { debian: '/cache/debian' },
    keep: '/',
    leaveOut: [
      'var/lib/apt/lists',
      'var/cache',
      'var/log',
      'usr/share/doc',
      'usr/share/man',
      'usr/share/locale',
    ],
    quiet: true,
  };
}

/**
 * $PACKAGES is a list of words of a driver. Archives that are there already are taken from the cache, apt checks them against its signed lists;
 * a folder of its own for each run, because apt locks the one it works in.
 */
const installScript = `
mkdir -p /tmp/archives/partial
cp /cache/debian/*.deb /tmp/archives/ 2>/dev/null || true
apt-get -qq -o Acquire::Retries=3 update
apt-get -qq -o Dir::Cache::archives=/tmp/archives -o APT::Keep-Downloaded-Packages=true install -y --no-install-recommends $PACKAGES
for file in /tmp/archives/*.deb; do
  name=\${file##*/}
  [ -e "/cache/debian/$name" ] || { cp "$file" "/cache/debian/.$name.$$" && mv "/cache/debian/.$name.$$" "/cache/debian/$name"; }
done
rm -rf /tmp/archives
`;
