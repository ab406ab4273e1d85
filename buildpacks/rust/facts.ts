// Everything a plan needs to know about one Rust app, read once from its tree. Used by driver.ts.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type CargoPackage, lockedCrates, readCargoTree } from './cargo-files.ts';
import { chooseRust, type RustChoice } from './rust-version.ts';

export interface Facts {
  tree: SourceTree;
  rust: RustChoice;
  /** Every package of the tree, by name. */
  ownPackages: string[];
  /** What is built. */
  packages: CargoPackage[];
  binaries: string[];
  /** The binary that is the web process, if the tree says so. */
  web: string | undefined;
  features: string[];
  noDefaultFeatures: boolean;
  hasLock: boolean;
  crates: ReadonlySet<string>;
  /** A Procfile of cargo's habit: `web: ./target/release/app`. */
  startsFromTarget: boolean;
}

export async function readFacts(tree: SourceTree, context: PlanContext): Promise<Facts> {
  const features = readFeatures(context.vars['CARGO_FEATURES']);
  const { packages, chosen } = await readCargoTree(tree, features);
  const withBinaries = chosen.filter(({ binaries }) => binaries.length > 0);
  const binaries = withBinaries.flatMap((found) => found.binaries);
  if (binaries.length === 0)
    throw new AppError('invalid', 'the app has no binary', {
      hint: 'a binary is src/main.rs, a file in src/bin/, or a [[bin]] in Cargo.toml',
    });
  const twice = binaries.find((name, index) => binaries.indexOf(name) !== index);
  if (twice !== undefined)
    throw new AppError('invalid', `two packages have a binary "${twice}"`, {
      hint: 'give one of them another name, or list the packages to build in "default-members"',
    });
  return {
    tree,
    rust: await chooseRust(tree, chosen, context),
    ownPackages: [...new Set(packages.map(({ name }) => name))].sort(),
    packages: withBinaries,
    binaries,
    web: chooseWeb(withBinaries, binaries),
    features,
    noDefaultFeatures: context.vars['CARGO_NO_DEFAULT_FEATURES'] === 'true',
    hasLock: tree.has('Cargo.lock'),
    crates: await lockedCrates(tree),
    startsFromTarget: /\btarget\/release\//.test((await tree.readText('Procfile', 256 * 1024)) ?? ''),
  };
}

function readFeatures(text: string | undefined): string[] {
  const features = (text ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const odd = features.find((name) => !/^[\w][\w./+?-]*$/.test(name));
  if (odd !== undefined)
    throw new AppError('invalid', `"${odd}" (the config var CARGO_FEATURES) is not a name of a feature`, {
      hint: 'write names with commas between them',
    });
  return features;
}

/** The only binary; else `default-run`, or the one named "web", "server", like a package with src/main.rs at the root, or "api". */
function chooseWeb(packages: readonly CargoPackage[], binaries: readonly string[]): string | undefined {
  if (binaries.length === 1) return binaries[0];
  const defaultRun = packages
    .map((found) => found.defaultRun)
    .find((name) => name !== undefined && binaries.includes(name));
  const root = packages.find(({ folder }) => folder === '')?.name;
  return (
    defaultRun ?? ['web', 'server', root, 'api'].find((name) => name !== undefined && binaries.includes(name))
  );
}
