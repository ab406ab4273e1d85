// Finds the platform's own Node and npm on disk and streams them as a tar: the seed of every Node layer. Looked up once at start.
// Must never download anything.
import { createReadStream } from 'node:fs';
import { access, lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { type TarEntry, writeTar } from '@berth/kit/write-tar.ts';
import { loadedPart } from '../buildpacks/node/strip-binary.mjs';
import type { SeedLayer } from './plan/plan.ts';

export type SeedPart = SeedLayer['part'];

export interface PlatformNode {
  version: string;
  npmVersion: string;
  arch: 'x64' | 'arm64';
  nodeFile: string;
  headersDir: string;
  npmDir: string;
}

/** Parts of npm that nothing needs at run time: a third of its files. */
const npmLeftOut = new Set(['docs', 'man', 'test', 'tap-snapshots']);

/** The pinned npm that the bootstrap puts on every host (infra/up/bootstrap/builders-npm.mjs): the same layers everywhere. */
const pinnedNpm = '/var/cache/berth/npm-11.19.1/node_modules/npm';

/** `npmDirWish` is tried first; `path` is a PATH on which npm may lie. */
export async function findPlatformNode(npmDirWish: string, path: string): Promise<PlatformNode> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const resolve = createRequire(import.meta.url).resolve;
  const packageFile = resolve(`node-linux-${arch}/package.json`);
  const npmDir = await findNpm(npmDirWish, path, resolve);
  return {
    version: await versionOf(packageFile),
    npmVersion: await versionOf(join(npmDir, 'package.json')),
    arch,
    nodeFile: join(dirname(packageFile), 'bin/node'),
    headersDir: join(dirname(packageFile), 'include/node'),
    npmDir,
  };
}

async function findNpm(wish: string, path: string, resolve: (name: string) => string): Promise<string> {
  const candidates = [
    ...(wish === '' ? [] : [wish]),
    pinnedNpm,
    ...packageFolder(resolve, 'npm'),
    join(dirname(process.execPath), '../lib/node_modules/npm'),
    '/usr/local/lib/node_modules/npm',
    '/usr/lib/node_modules/npm',
    ...(await besideCommands(path)),
  ];
  for (const candidate of candidates) {
    if (await isWholeNpm(candidate)) return realpath(candidate);
  }
  throw new AppError('unavailable', 'npm is not on this machine', {
    hint: 'install npm, or set BERTH_NPM_DIR to the folder that holds bin/npm-cli.js',
  });
}

function packageFolder(resolve: (name: string) => string, name: string): string[] {
  try {
    return [dirname(resolve(`${name}/package.json`))];
  } catch {
    return [];
  }
}

/** Debian's own package takes npm apart: its dependencies lie elsewhere, and a copy of its folder would not run. */
async function isWholeNpm(folder: string): Promise<boolean> {
  try {
    await access(join(folder, 'bin/npm-cli.js'));
    await access(join(folder, 'node_modules/semver'));
    return true;
  } catch {
    return false;
  }
}

/** Folders of the npm commands on a PATH: where version managers put them. */
async function besideCommands(path: string): Promise<string[]> {
  const folders: string[] = [];
  for (const bin of path.split(':').filter((part) => part.startsWith('/'))) {
    try {
      folders.push(dirname(dirname(await realpath(join(bin, 'npm')))));
    } catch {
      // No npm in that folder.
    }
  }
  return folders;
}

async function versionOf(file: string): Promise<string> {
  const json: unknown = JSON.parse(await readFile(file, 'utf8'));
  return typeof json === 'object' && json !== null && 'version' in json ? String(json.version) : '0.0.0';
}

/** node, npm and npx, both, or Node's headers, below `prefix` (absolute). The same files give the same bytes. */
export function platformNodeTar(
  node: PlatformNode,
  part: SeedPart,
  prefix: string,
): AsyncGenerator<Uint8Array> {
  const path = prefix.replace(/^\/+/, '');
  return writeTar(part === 'headers' ? headerEntries(node, path) : seedEntries(node, part, path));
}

async function* headerEntries(node: PlatformNode, prefix: string): AsyncGenerator<TarEntry> {
  yield* foldersDownTo(`${prefix}/include`);
  yield* below(`${prefix}/include/node`, node.headersDir, new Set());
}

function* foldersDownTo(path: string): Generator<TarEntry> {
  const parts = path.split('/');
  for (let depth = 1; depth <= parts.length; depth++) yield folder(parts.slice(0, depth).join('/'));
}

async function* seedEntries(
  node: PlatformNode,
  part: Exclude<SeedPart, 'headers'>,
  prefix: string,
): AsyncGenerator<TarEntry> {
  yield* foldersDownTo(`${prefix}/bin`);
  if (part !== 'npm') yield await program(`${prefix}/bin/node`, node.nodeFile);
  if (part === 'node') return;
  for (const name of ['npm', 'npx'])
    yield {
      path: `${prefix}/bin/${name}`,
      kind: 'symlink',
      mode: 0o777,
      size: 0,
      linkTarget: `../lib/node_modules/npm/bin/${name}-cli.js`,
    };
  yield folder(`${prefix}/lib`);
  yield folder(`${prefix}/lib/node_modules`);
  yield* below(`${prefix}/lib/node_modules/npm`, node.npmDir, npmLeftOut);
}

/** Without what only debuggers read: a seventh of Node. */
async function program(path: string, from: string): Promise<TarEntry> {
  const loaded = loadedPart(from);
  if (!loaded) return file(path, from, 0o755);
  const { header, length } = loaded;
  async function* content(): AsyncGenerator<Uint8Array> {
    yield header;
    yield* createReadStream(from, { start: header.length, end: length - 1, highWaterMark: 1024 * 1024 });
  }
  return { path, kind: 'file', mode: 0o755, size: length, content: content() };
}

async function* below(path: string, dir: string, leftOut: ReadonlySet<string>): AsyncGenerator<TarEntry> {
  yield folder(path);
  for (const name of (await readdir(dir)).sort()) {
    if (leftOut.has(name)) continue;
    const from = join(dir, name);
    const stat = await lstat(from);
    if (stat.isDirectory()) yield* below(`${path}/${name}`, from, new Set());
    else if (stat.isSymbolicLink())
      yield {
        path: `${path}/${name}`,
        kind: 'symlink',
        mode: 0o777,
        size: 0,
        linkTarget: await readlink(from),
      };
    else if (stat.isFile())
      yield await file(`${path}/${name}`, from, (stat.mode & 0o111) !== 0 ? 0o755 : 0o644);
  }
}

function folder(path: string): TarEntry {
  return { path, kind: 'folder', mode: 0o755, size: 0 };
}

async function file(path: string, from: string, mode: number): Promise<TarEntry> {
  const { size } = await lstat(from);
  return { path, kind: 'file', mode, size, content: createReadStream(from, { highWaterMark: 1024 * 1024 }) };
}
