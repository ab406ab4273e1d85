// Where an app may write which version of a tool it wants: package.json (engines, devEngines, volta, packageManager), .tool-versions, version files.
// Read once a plan, by facts.ts. Says what is wished and where; whether it can be had is for node-version.ts and package-manager.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import type { Manifest } from './manifest.ts';

export interface Wish {
  /** As it was written. */
  raw: string;
  /** Where it stands, for the user. */
  from: string;
}

export type Tool = 'node' | 'npm' | 'yarn' | 'pnpm' | 'bun';

/** One file with nothing but a version, by tool: the older name last. */
const versionFiles: Partial<Record<Tool, readonly string[]>> = {
  node: ['.nvmrc', '.node-version'],
  bun: ['.bun-version'],
};

export interface Wishes {
  /** Each tool's first wish: engines, devEngines, volta, its own file, .tool-versions. */
  of: Partial<Record<Tool, Wish>>;
}

export async function readWishes(tree: SourceTree, manifest: Manifest): Promise<Wishes> {
  const files = Object.entries(versionFiles).flatMap(([tool, names]) =>
    names.filter((name) => tree.has(name)).map((name) => ({ tool: tool as Tool, name })),
  );
  const [list, ...texts] = await Promise.all([
    tree.readText('.tool-versions', 64 * 1024),
    ...files.map(({ name }) => tree.readText(name, 4096)),
  ]);
  const of: Wishes['of'] = {};
  const wish = (tool: Tool, raw: string | undefined, from: string) => {
    if (raw && !of[tool]) of[tool] = { raw, from };
  };
  for (const tool of tools) {
    wish(tool, manifest.engines[tool]?.trim(), `"engines.${tool}" of package.json`);
    const part = tool === 'node' ? 'runtime' : 'packageManager';
    wish(tool, manifest.devEngines[part]?.[tool], `"devEngines.${part}" of package.json`);
    wish(tool, manifest.volta[tool], `"volta.${tool}" of package.json`);
  }
  for (const [index, { tool, name }] of files.entries()) wish(tool, firstLine(texts[index]), name);
  const listed = parseToolVersions(list ?? '');
  wish('node', listed['nodejs'] ?? listed['node'], '.tool-versions');
  for (const tool of tools) wish(tool, listed[tool], '.tool-versions');
  return { of };
}

const tools: readonly Tool[] = ['node', 'npm', 'yarn', 'pnpm', 'bun'];

function firstLine(text: string | undefined): string | undefined {
  return text
    ?.split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .find((line) => line !== '');
}

/** `tool version [fallback…]` lines of asdf and mise: the first version counts. */
export function parseToolVersions(text: string): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const [tool, version] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (tool && version && !Object.hasOwn(versions, tool)) versions[tool] = version;
  }
  return versions;
}
