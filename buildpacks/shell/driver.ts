// The driver for apps of no language that is built: a Procfile beside scripts or committed programs, or a start script alone. They run on the stack;
// Perl is added where something names it. Asked last.
import { packagesLayer } from '@berth/builder/plan/packages-layer.ts';
import type { BuildPlan, Driver, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export const shellDriver: Driver = { name: 'shell', version: 1, detect, plan };

/** Tried in this order when nothing else says how the app starts. */
const startScripts = ['start.sh', 'run.sh', 'app.sh', 'server.sh', 'main.sh'];

async function detect(tree: SourceTree): Promise<string | undefined> {
  if (tree.has('Procfile')) return 'Procfile';
  return startScripts.some((path) => tree.has(path)) ? 'Shell script' : undefined;
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const commands = await declaredCommands(tree, context);
  const script = startScripts.find((path) => tree.has(path));
  if (commands.length === 0 && script === undefined && !context.isPart)
    throw new AppError('invalid', 'nothing says how to start the app', {
      hint: 'write a line "web: ./my-program" into the Procfile',
    });
  const runtime = (await needsPerl(tree, commands)) ? [perlLayer()] : [];
  return {
    language: tree.has('Procfile') ? 'Procfile' : 'Shell script',
    details: [
      'no language is built: the files run as they are',
      ...(runtime.length > 0 ? ["Perl (the stack's)"] : []),
    ],
    warnings: notExecutable(tree, commands),
    layers: [...runtime, { kind: 'source', id: 'source', inImage: true, leaveOut: [] }],
    defaultProcessTypes: script === undefined ? {} : { web: startOf(tree, script) },
    env: { LANG: 'C.UTF-8' },
    path: [],
    varsMatter: false,
  };
}

async function declaredCommands(tree: SourceTree, { manifest }: PlanContext): Promise<string[]> {
  if (manifest) return Object.values(manifest.processTypes);
  const text = (await tree.readText('Procfile', 256 * 1024)) ?? '';
  return text.split('\n').flatMap((line) => /^[\w-]+\s*:\s*(.+)$/.exec(line)?.[1] ?? []);
}

/** A script that may not be executed is bash's to read. */
function startOf(tree: SourceTree, script: string): string {
  return tree.entries.get(script)?.kind === 'executable' ? `./${script}` : `bash ${script}`;
}

/** `./program` without its x: the start would end with "permission denied". */
function notExecutable(tree: SourceTree, commands: readonly string[]): string[] {
  const started = commands.flatMap(
    (command) => /^(?:exec\s+)?(?:\.\/|\/app\/)([\w./-]+)/.exec(command)?.[1] ?? [],
  );
  return [...new Set(started)]
    .filter((path) => tree.entries.get(path)?.kind === 'file')
    .map((path) => `"${path}" is not executable: git update-index --chmod=+x ${path}`);
}

async function needsPerl(tree: SourceTree, commands: readonly string[]): Promise<boolean> {
  if (commands.some((command) => /(?:^|[\s;&|/])perl\b|\.pl\b/.test(command))) return true;
  const executables = [...tree.entries].filter(([, { kind }]) => kind === 'executable').slice(0, 50);
  for (const [path] of executables) {
    if (/\.(?:p[lm]|psgi)$/.test(path)) return true;
    // A script's first line; programs are larger than any script.
    const text = /\.[a-z0-9]+$/i.test(path) ? undefined : await firstText(tree, path);
    if (text !== undefined && /^#![^\n]*\bperl\b/.test(text)) return true;
  }
  return false;
}

async function firstText(tree: SourceTree, path: string): Promise<string | undefined> {
  try {
    return await tree.readText(path, 256 * 1024);
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid') return undefined;
    throw error;
  }
}

function perlLayer(): RunLayer {
  return packagesLayer({ id: 'runtime', title: 'Perl', packages: ['perl'] });
}
