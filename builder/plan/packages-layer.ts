// Debian packages as a layer of everybody's: what a language's runtime is when the stack's own suite has it. Used by drivers.
// Names come from the driver, never from a tree.
import type { RunLayer } from './plan.ts';

export interface PackagesLayer {
  id: string;
  /** "Python 3.13 (Debian)" */
  title: string;
  /** Names of the stack's suite. */
  packages: readonly string[];
  /** Layers below: those with packages of their own must be among them, so that what they have is not installed again. */
  on?: string[];
  inImage?: boolean;
  /** build: over the build variant, for steps with `stack: 'build'` above it; such a layer is never in an image. */
  stack?: 'run' | 'build';
}

/**
 * Installed by apt over the stack; kept whole, without documentation and package lists. Debian's list of packages stays the stack's: what is
 * installed here is said in /var/lib/dpkg/status.d/PACKAGE, where scanners look too, so that the stack below can be replaced by a newer one.
 */
export function packagesLayer({
  id,
  title,
  packages,
  on = [],
  stack = 'run',
  inImage = stack === 'run',
}: PackagesLayer): RunLayer {
  const names = [...packages].sort();
  return {
    kind: 'run',
    id,
    inImage,
    title: `Installing ${title}`,
    step: 'runtime',
    on,
    key: stack === 'run' ? names : [stack, ...names],
    scope: 'platform',
    files: [],
    stack: stack === 'run' ? 'tools' : 'build',
    user: 'root',
    script: installScript,
    env: {
      PACKAGES: names.join(' '),
      NOT_AT_RUN_TIME: installersOnly,
      LIST_NEEDED_TOOLS: listNeededTools,
      WRITE_FRAGMENTS: writeFragments,
      DEBIAN_FRONTEND: 'noninteractive',
      // The layer's files get other times than they have now: Python's compiled files go by content then.
      SOURCE_DATE_EPOCH: '315532801',
    },
    path: [],
    vars: 'none',
    caches: { debian: '/cache/debian' },
    keep: '/',
    leaveOut: [
      'etc/apt',
      'etc/dpkg',
      'usr/share/doc',
      'usr/share/info',
      'usr/share/lintian',
      'usr/share/locale',
      'usr/share/man',
      'var/cache',
      'var/lib/apt',
      'var/lib/dpkg/diversions',
      'var/lib/dpkg/diversions-old',
      'var/lib/dpkg/lock',
      'var/lib/dpkg/lock-frontend',
      'var/lib/dpkg/status',
      'var/lib/dpkg/status-old',
      'var/lib/dpkg/status-run',
      'var/lib/dpkg/triggers',
      'var/lib/dpkg/updates',
      'var/log',
    ],
    quiet: true,
  };
}

/** Named as needed by packages for their maintainer scripts; programs that run do without. */
const installersOnly = 'apt debconf debian-archive-keyring dpkg init-system-helpers install-info sqv';

/** Packages of a dpkg status: name, version and relations of each paragraph. For mawk. */
const readParagraph = `
function field(name,  i) {
  for (i = 1; i <= NF; i++) if (index($i, name ": ") == 1) return substr($i, length(name) + 3)
  return ""
}
BEGIN { RS = ""; FS = "\\n" }
FNR == 1 { file++ }
{ package = field("Package"); version = field("Version") }
`;

/**
 * status.run, status.before, status → packages that were asked for, or that the installed ones need when they run, and that are only there to
 * install packages (libbz2, perl for git): they have to be in the layer too.
 */
const listNeededTools = `${readParagraph}
file == 1 { run[package]; next }
file == 2 { had[package]; before[package " " version]; next }
{
  needs[package] = field("Pre-Depends") "," field("Depends")
  if (!((package " " version) in before)) { added[package]; queue[++count] = package }
}
END {
  split(ENVIRON["NOT_AT_RUN_TIME"], words, " "); for (i in words) never[words[i]]
  split(ENVIRON["PACKAGES"], asked, " ")
  for (i in asked) if ((asked[i] in had) && !(asked[i] in run) && !(asked[i] in added)) {
    added[asked[i]]; queue[++count] = asked[i]; print asked[i]
  }
  for (next_ = 1; next_ <= count; next_++) {
    groups = split(needs[queue[next_]], group, ",")
    for (g = 1; g <= groups; g++) {
      satisfied = 0; tool = ""
      names = split(group[g], alternative, "|")
      for (a = 1; a <= names; a++) {
        name = alternative[a]; sub(/^ +/, "", name); sub(/[:( ].*/, "", name)
        if (name in run || name in added || name in never) satisfied = 1
        else if (tool == "" && name in had) tool = name
      }
      if (!satisfied && tool != "") { added[tool]; queue[++count] = tool; print tool }
    }
  }
}
`;

/** status.before, status → a file of status.d for each package that was not there in this version, and for the tools named in $NEEDED. */
const writeFragments = `${readParagraph}
FNR == 1 && file == 1 { split(ENVIRON["NEEDED"], words, " "); for (i in words) needed[words[i]] }
file == 1 { before[package " " version]; next }
!((package " " version) in before) || package in needed { print > ("/var/lib/dpkg/status.d/" package) }
`;

/**
 * $PACKAGES is a list of words of a driver. Archives that are there already are taken from the cache when they have the digest of apt's signed
 * lists; a folder of its own for each run, because apt locks the one it works in. What layers below installed is in status.d, and for apt
 * and dpkg put into their list. A package of the stack is never removed.
 */
const installScript = `
mkdir -p /tmp/archives/partial /var/lib/dpkg/status.d
# Alternatives link manual pages, which are left out, and fail where their folders are missing.
for section in 1 2 3 4 5 6 7 8; do mkdir -p /usr/share/man/man$section; done
cd /var/lib/dpkg
[ -e status-run ] || cp status status-run
for fragment in status.d/*; do
  [ -f "$fragment" ] || continue
  for list in status status-run; do { echo; cat "$fragment"; echo; } >> $list; done
done
cp status-run /tmp/status.run
cp status /tmp/status.before

get() {
  apt-get -qq -o Acquire::Retries=3 -o Dir::Cache::archives=/tmp/archives -o APT::Keep-Downloaded-Packages=true "$@"
}
install() { get install -y --no-install-recommends --no-remove "$@"; }
from_cache() {
  while read -r uri name size hash; do
    [ -e "/cache/debian/$name" ] || continue
    case $hash in SHA256:*) ;; *) continue ;; esac
    if echo "\${hash#SHA256:}  /cache/debian/$name" | sha256sum -c --status -; then cp "/cache/debian/$name" /tmp/archives/; fi
  done < /tmp/wanted
}

get update
install --print-uris $PACKAGES > /tmp/wanted
from_cache
install $PACKAGES
export NEEDED="$(awk "$LIST_NEEDED_TOOLS" /tmp/status.run /tmp/status.before status | sort | tr '\\n' ' ')"
if [ -n "$NEEDED" ]; then
  install --reinstall --print-uris $NEEDED > /tmp/wanted
  from_cache
  install --reinstall $NEEDED
fi
awk "$WRITE_FRAGMENTS" /tmp/status.before status
for file in /tmp/archives/*.deb; do
  name=\${file##*/}
  [ -e "/cache/debian/$name" ] || { cp "$file" "/cache/debian/.$name.$$" && mv "/cache/debian/.$name.$$" "/cache/debian/$name"; }
done
rm -rf /tmp/archives
`;
