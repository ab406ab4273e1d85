// The Rust driver: Cargo.toml → the compiler, which stays behind, and in the image only the source and the binaries in /app/bin. See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { explainCargo } from './explain.ts';
import { type Facts, readFacts } from './facts.ts';
import { librariesLayer, rustPrefix, toolchainLayer } from './toolchain-layers.ts';

export const rustDriver: Driver = {
  name: 'rust',
  version: 1,
  detect: async (tree) => (tree.has('Cargo.toml') ? 'Rust' : undefined),
  plan,
};

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree, context);
  const { rust, binaries } = facts;
  const defaults = processTypes(facts);
  const targetCommitted = tree.hasFolder('target');
  return {
    language: 'Rust',
    details: [
      `Rust ${rust.version} (${rust.askedBy ?? 'stable; ask for another in rust-toolchain.toml'})`,
      `Binaries: ${binaries.join(', ')}`,
    ],
    warnings: [
      ...rust.warnings,
      ...(facts.hasLock
        ? []
        : ['Cargo.lock is not in the commit: each build takes the newest crates that fit']),
      ...(targetCommitted ? ['target is in the commit and left out: add it to .gitignore'] : []),
      ...(defaults['web'] === undefined && !tree.has('Procfile') && !context.isPart
        ? [
            `no binary is named "web" or "server": set "default-run" in Cargo.toml, or write a Procfile ("web: bin/${binaries[0]}")`,
          ]
        : []),
    ],
    layers: [
      toolchainLayer(rust, context.arch),
      ...librariesLayer(facts.crates),
      { kind: 'source', id: 'source', inImage: true, leaveOut: targetCommitted ? ['target'] : [] },
      buildStep(facts),
    ],
    defaultProcessTypes: defaults,
    // Rocket listens on loopback when nobody tells it otherwise.
    env: facts.crates.has('rocket') ? { ROCKET_ADDRESS: '0.0.0.0' } : {},
    path: ['/app/bin'],
    varsMatter: true,
  };
}

/** `release` is a phase, and nobody meant a binary of that name to run before each release. */
const processName = /^(?!release$)[a-z][a-z0-9_-]{0,30}$/;

function processTypes({ binaries, web, crates }: Facts): Record<string, string> {
  const types: Record<string, string> = {};
  // Rocket does not know PORT.
  if (web !== undefined)
    types['web'] = crates.has('rocket') ? `ROCKET_PORT=$PORT exec bin/${web}` : `bin/${web}`;
  for (const name of binaries) if (name !== web && processName.test(name)) types[name] = `bin/${name}`;
  return types;
}

function buildStep(facts: Facts): PlannedLayer {
  const { rust, packages, binaries, features, crates } = facts;
  const settings = {
    OWN: facts.ownPackages.join(' '),
    BUILT: packages.map(({ name }) => name).join(' '),
    BINARIES: binaries.join(' '),
    FEATURES: features.join(','),
    NO_DEFAULT_FEATURES: facts.noDefaultFeatures ? 'yes' : '',
    LOCKED: facts.hasLock ? 'yes' : '',
    LINKED: facts.startsFromTarget ? 'yes' : '',
  };
  return {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: `Compiling ${binaries.join(', ')} (cargo build --release${facts.hasLock ? ' --locked' : ''})`,
    step: 'build',
    on: ['runtime', 'source'],
    key: [JSON.stringify(settings)],
    scope: 'app',
    files: [],
    // rustc links with the C compiler, whatever the app.
    stack: 'build',
    user: 'app',
    script: buildScript,
    env: {
      ...settings,
      CARGO_HOME: '/cache/cargo',
      CARGO_TARGET_DIR: '/cache/target',
      CARGO_TERM_COLOR: 'never',
      CARGO_TERM_PROGRESS_WHEN: 'never',
      TOOLCHAIN: rust.version,
    },
    path: rust.manifest === undefined ? [] : [`${rustPrefix}/bin`],
    // `env!("NAME")`, build scripts and checked queries may look at any of them.
    vars: 'all',
    caches: { cargo: '/cache/cargo', 'cargo-target': '/cache/target' },
    keep: '/app',
    leaveOut: ['Cargo.lock'],
    quiet: false,
    explain: explainCargo({ hasOpenssl: crates.has('openssl-sys') }),
  };
}

/**
 * Cargo tells a changed file by its time, and all files of a commit have the commit's, which may be older than the last build: so the app's own packages lose
 * their fingerprints and are compiled anew, and only them. Crates of the registry are known by their versions. $OWN, $BUILT and $BINARIES are lists of words
 * that the driver has checked. A target folder of another compiler would only grow.
 */
const buildScript = `
set -f
if [ "$(cat "$CARGO_TARGET_DIR/toolchain" 2>/dev/null)" != "$TOOLCHAIN" ]; then
  find "$CARGO_TARGET_DIR" -mindepth 1 -delete
  echo "$TOOLCHAIN" >"$CARGO_TARGET_DIR/toolchain"
fi
for name in $OWN; do
  find "$CARGO_TARGET_DIR" -path "*/.fingerprint/$name-????????????????" -prune -exec rm -rf {} +
done
if [ -n "$CARGO_CRATES_IO_MIRROR" ]; then
  printf '[source.crates-io]\\nreplace-with = "mirror"\\n[source.mirror]\\nregistry = "%s"\\n' "$CARGO_CRATES_IO_MIRROR" >"$CARGO_HOME/config.toml"
else
  rm -f "$CARGO_HOME/config.toml"
fi
set -- --release --bins
[ -z "$LOCKED" ] || set -- "$@" --locked
[ -z "$FEATURES" ] || set -- "$@" --features "$FEATURES"
[ -z "$NO_DEFAULT_FEATURES" ] || set -- "$@" --no-default-features
for name in $BUILT; do set -- "$@" --package "$name"; done
cargo build "$@"
mkdir -p bin
for name in $BINARIES; do cp "$CARGO_TARGET_DIR/release/$name" "bin/$name"; done
if [ -n "$LINKED" ]; then
  mkdir -p target/release
  for name in $BINARIES; do ln -sf "../../bin/$name" "target/release/$name"; done
fi
`;
