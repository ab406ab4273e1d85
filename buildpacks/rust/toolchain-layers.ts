// The layers below a Rust build: the compiler, and Debian's libraries that some crates load at run time. Used by driver.ts.
// The same for every app that asks for the same, so no config var may reach them.
import { packagesLayer } from '@berth/builder/plan/packages-layer.ts';
import type { PlanContext, PlannedLayer } from '@berth/builder/plan/plan.ts';
import { explainToolchain } from './explain.ts';
import type { RustChoice } from './rust-version.ts';

export const rustPrefix = '/opt/berth/rust';

export function toolchainLayer({ version, manifest }: RustChoice, arch: PlanContext['arch']): PlannedLayer {
  if (manifest === undefined)
    return packagesLayer({
      id: 'runtime',
      title: `Rust ${version} (Debian)`,
      packages: ['cargo', 'rustc'],
      inImage: false,
    });
  const env = { MANIFEST: manifest, TARGET: `${arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu` };
  return {
    kind: 'run',
    id: 'runtime',
    inImage: false,
    title: `Installing Rust ${version}`,
    step: 'runtime',
    on: [],
    key: [JSON.stringify(env)],
    scope: 'platform',
    files: [],
    stack: 'run',
    user: 'root',
    script: installScript,
    env,
    path: [],
    vars: 'none',
    caches: { rust: '/cache/rust' },
    keep: rustPrefix,
    leaveOut: [],
    quiet: true,
    explain: explainToolchain(version),
  };
}

/**
 * rustc, cargo and the standard library: archives are checked against the channel's manifest each time they are used, the manifest against its own checksum, as
 * rustup does it. A mirror (RUSTUP_DIST_SERVER) has the same folders; the manifest's own addresses name the original.
 */
const installScript = `
server=\${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}
get() { curl -fsSL --retry 3 --max-time 600 -o "$2" "$1"; }
get "$server/dist/$MANIFEST" /tmp/manifest
get "$server/dist/$MANIFEST.sha256" /tmp/sum
read -r sum rest </tmp/sum || true
echo "$sum  /tmp/manifest" | sha256sum --check --quiet
value() { awk -v section="[pkg.$1.target.$TARGET]" -v name="$2" '$0 == section { on = 1; next } /^\\[/ { on = 0 } on && $1 == name { gsub(/"/, "", $3); print $3; exit }' /tmp/manifest; }
mkdir -p /opt/berth/rust
for component in rustc rust-std cargo; do
  url=$(value $component xz_url)
  sum=$(value $component xz_hash)
  [ -n "$url" ] || { echo "the channel has no $component for $TARGET"; exit 1; }
  file=/cache/rust/$sum.tar.xz
  if ! echo "$sum  $file" | sha256sum --check --status 2>/dev/null; then
    part=$(mktemp /cache/rust/.part.XXXXXX)
    get "$server/dist/\${url#*/dist/}" "$part"
    echo "$sum  $part" | sha256sum --check --quiet
    mv "$part" "$file"
  fi
  tar -xJf "$file" -C /opt/berth/rust --strip-components=2 --no-same-owner --exclude='*/share' --exclude='*/manifest.in'
done
/opt/berth/rust/bin/rustc --version
`;

/** Crates that load a library of the system, and the package that has it. What is linked against in the build stack must be there at run time. */
const loaded: Readonly<Record<string, string>> = {
  'pq-sys': 'libpq5',
  'mysqlclient-sys': 'libmariadb3',
  'libsqlite3-sys': 'libsqlite3-0',
};

export function librariesLayer(crates: ReadonlySet<string>): PlannedLayer[] {
  const packages = Object.entries(loaded).flatMap(([crate, name]) => (crates.has(crate) ? [name] : []));
  if (packages.length === 0) return [];
  return [packagesLayer({ id: 'runtime-libraries', title: `libraries (${packages.join(', ')})`, packages })];
}
