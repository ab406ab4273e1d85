// What a package-lock.json says before any container runs: is it in step, does anything compile, does anything come from the tree or from git.
// Used by driver.ts. Knows npm's lockfile versions 1 to 3; about other lockfiles it says "unknown".
import { AppError } from '@berth/kit/errors.ts';
import { isRecord, type Manifest, parseJson } from './manifest.ts';
import type { Workspace } from './workspaces.ts';

export interface LockFacts {
  /** Packages with install scripts: they may need compilers and may look at any config var. */
  installScripts: 'none' | 'some' | 'unknown';
  /** One that may fail unseen runs such a script, or nobody knows: compilers have to be there from the start. */
  mayFailUnseen: boolean;
  /** A package comes out of the pushed tree (`file:`, `link:`) without being a workspace: the install needs the source. */
  fromTree: boolean;
  /** A package comes from a git repository: the install needs git. */
  fromGit: boolean;
}

/** An app without a single package. */
export const nothingLocked: LockFacts = {
  installScripts: 'none',
  mayFailUnseen: false,
  fromTree: false,
  fromGit: false,
};
const unknown: LockFacts = {
  installScripts: 'unknown',
  mayFailUnseen: true,
  fromTree: false,
  fromGit: false,
};

export function readLockFacts(
  file: string | undefined,
  text: string | undefined,
  manifest: Manifest,
  workspaces: readonly Workspace[],
): LockFacts {
  const all = [manifest, ...workspaces.map((workspace) => workspace.manifest)].flatMap(specs);
  const fromTree = all.some((spec) => /^(file:|link:|portal:|\.\.?\/)/.test(spec));
  const fromGit = all.some((spec) =>
    /^(git[+:]|github:|gitlab:|bitbucket:|[\w-]+\/[\w.-]+(#.*)?$)/.test(spec),
  );
  if (file !== 'package-lock.json' && file !== 'npm-shrinkwrap.json')
    return { ...unknown, fromTree, fromGit };
  const lock = parseJson(text ?? '', file);
  const packages = isRecord(lock) && isRecord(lock['packages']) ? lock['packages'] : undefined;
  if (!packages) return { ...unknown, fromTree, fromGit };
  checkInStep(file, packages, manifest);
  const entries = Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([, value]) => (isRecord(value) ? value : {}));
  const from = (entry: Record<string, unknown>) =>
    typeof entry['resolved'] === 'string' ? entry['resolved'] : '';
  const resolved = entries.map(from);
  const folders = new Set(workspaces.map(({ folder }) => folder));
  const running = entries.filter((entry) => entry['hasInstallScript'] === true && isForLinux(entry['os']));
  return {
    installScripts: running.length > 0 ? 'some' : 'none',
    mayFailUnseen: running.some((entry) => entry['optional'] === true),
    fromTree: fromTree || entries.some((entry) => entry['link'] === true && !folders.has(from(entry))),
    fromGit: fromGit || resolved.some((url) => url.startsWith('git')),
  };
}

/** npm's `os` field: a list of names, or of those that are not meant. */
function isForLinux(os: unknown): boolean {
  if (!Array.isArray(os) || os.length === 0) return true;
  return os.includes('linux') || (os.every((name) => String(name).startsWith('!')) && !os.includes('!linux'));
}

/** A dependency that the lockfile does not know at all: `npm ci` would refuse it, after a container's start. */
function checkInStep(file: string, packages: Record<string, unknown>, manifest: Manifest): void {
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  for (const [name, spec] of Object.entries(wanted)) {
    if (packages[`node_modules/${name}`] !== undefined) continue;
    throw outOfStep(file, `"${name}@${spec}" is missing`);
  }
}

export function outOfStep(file: string, what: string): AppError {
  const tools: Record<string, string> = {
    'yarn.lock': 'yarn',
    'pnpm-lock.yaml': 'pnpm',
    'bun.lock': 'bun',
    'bun.lockb': 'bun',
  };
  const tool = tools[file] ?? 'npm';
  return new AppError('invalid', `${file} is out of step with package.json: ${what}`, {
    hint: `run "${tool} install", commit ${file} and push again`,
  });
}

function specs(manifest: Manifest): string[] {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  return Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies });
}
