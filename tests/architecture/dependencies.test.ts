// The dependency table of ARCHITECTURE.md, held against every import of the sources.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, isTest, isTypeScript, listFiles, read, resolveImport, workspaces } from './sources.ts';

/** Each folder and the folders it may import beside itself. A process imports no other process. */
const table: Record<string, readonly string[]> = {
  'apps/contract': [],
  'apps/kit': [],
  'apps/clients': ['apps/contract', 'apps/kit'],
  'apps/store': ['apps/contract', 'apps/kit'],
  'apps/controller': ['apps/contract', 'apps/kit', 'apps/clients', 'apps/store'],
  'apps/git-receiver': ['apps/contract', 'apps/kit', 'apps/clients'],
  'apps/host-agent': ['apps/contract', 'apps/kit', 'apps/clients'],
  'apps/dashboard': ['apps/contract', 'apps/kit', 'apps/clients'],
  'apps/cli': ['apps/contract', 'apps/kit', 'apps/clients'],
  builder: ['apps/contract', 'apps/kit', 'apps/clients', 'buildpacks', 'infra/stacks'],
  buildpacks: ['apps/kit', 'builder'],
  scheduler: ['apps/contract', 'apps/kit', 'apps/clients'],
  router: ['apps/contract', 'apps/kit', 'apps/clients'],
  'engine-native/daemon': ['apps/kit'],
  'infra/stacks': ['apps/kit', 'apps/clients'],
  infra: ['apps/kit', 'apps/clients', 'apps/contract', 'infra/stacks'],
};

/** A package that only some folders may import, and why it is so narrow. */
const ownedPackages: Record<string, { folders: readonly string[]; because: string }> = {
  pg: { folders: ['apps/store'], because: 'one owner of the SQL' },
  bullmq: {
    folders: ['apps/controller', 'builder', 'scheduler'],
    because: 'jobs carry ids between these three',
  },
  ioredis: { folders: ['apps/controller', 'builder', 'scheduler'], because: 'Redis carries work, no facts' },
  fastify: {
    folders: [
      'apps/controller',
      'apps/git-receiver',
      'engine-native/daemon',
      'apps/dashboard',
      'apps/host-agent',
    ],
    because: 'the router speaks HTTP by itself',
  },
  handlebars: { folders: ['router', 'apps/dashboard'], because: 'only they show pages' },
};

const files = (await listFiles()).filter(isTypeScript);
const sources = files.filter((path) => !isTest(path));
const packages = workspaces();

const folderOf = (path: string) => Object.keys(table).find((folder) => path.startsWith(`${folder}/`));

test('every folder imports only what the table allows', () => {
  const problems = sources.flatMap((path) => {
    const folder = folderOf(path);
    if (!folder) return [`${path} lies in no folder of the table`];
    return importsOf(path).flatMap((name) => {
      const target = resolveImport(path, name, packages);
      const targetFolder = target === undefined ? undefined : folderOf(target);
      // A recipe is data, wherever it lies.
      if (target === undefined || targetFolder === folder || target.endsWith('.json')) return [];
      if (targetFolder && table[folder]?.includes(targetFolder)) return [];
      return [`${path} imports "${name}", which "${folder}" may not`];
    });
  });
  assert.deepEqual(problems, []);
});

test('another folder is imported by its workspace name, never by a relative path', () => {
  const problems = sources.flatMap((path) =>
    importsOf(path)
      .filter((name) => name.startsWith('..') && !name.endsWith('.json'))
      .filter((name) => !name.includes('/buildpacks/')) // plug-ins of the builder, no package of their own
      .filter((name) => folderOf(resolveImport(path, name, packages) ?? '') !== folderOf(path))
      .map((name) => `${path} imports "${name}"`),
  );
  assert.deepEqual(problems, []);
});

test('a package with an owner is imported by its owner alone', () => {
  const problems = sources.flatMap((path) =>
    importsOf(path).flatMap((name) => {
      const base = name.startsWith('@') ? name : (name.split('/')[0] ?? name);
      const owner = ownedPackages[base];
      if (!owner || owner.folders.some((folder) => path.startsWith(`${folder}/`))) return [];
      return [`${path} imports "${name}" (${owner.because})`];
    }),
  );
  assert.deepEqual(problems, []);
});

test('other programs are started in kit/run-command.ts alone', () => {
  const problems = sources
    .filter((path) => path !== 'apps/kit/run-command.ts')
    .filter((path) => runtimeImports(path).some((name) => /^(node:)?(child_process|cluster)$/.test(name)));
  assert.deepEqual(problems, []);
});

test('the environment is read in files named config.ts alone', () => {
  const problems = sources
    .filter((path) => !/(^|\/)config\.ts$/.test(path))
    .filter((path) => /process\.env\b/.test(read(path).replaceAll(/^\s*\/\/.*$/gm, '')));
  assert.deepEqual(problems, []);
});

test('no import cycle', () => {
  const graph = new Map(
    sources.map((path) => [
      path,
      runtimeImports(path).flatMap((name) => resolveImport(path, name, packages) ?? []),
    ]),
  );
  assert.deepEqual(findCycle(graph), []);
});

/** Types are erased, so `import type` closes no circle. */
function runtimeImports(path: string): string[] {
  const withoutTypes = read(path).replaceAll(/^\s*(import|export) type [\s\S]*?from ['"][^'"]+['"];?$/gm, '');
  const pattern = /(?:\bfrom\s+|^import\s+)['"]([^'"\n]+)['"]/gm;
  return [...withoutTypes.matchAll(pattern)].map(([, name]) => name ?? '');
}

/** The first circle found, as the files along it; empty when there is none. */
function findCycle(graph: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of graph.get(path) ?? []) {
      const found = walk(next, [...trail, path]);
      if (found.length > 0) return found;
    }
    done.add(path);
    return [];
  };
  for (const path of graph.keys()) {
    const found = walk(path, []);
    if (found.length > 0) return found;
  }
  return [];
}

test('the circle finder finds a circle', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
  ]);
  assert.deepEqual(findCycle(graph), ['b', 'c', 'b']);
});
