// The driver for static sites: an index.html (at the root or in a usual folder) without package.json, served by server.mjs.
import { readFileSync } from 'node:fs';
import type { BuildPlan, Driver } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { parseHeaders, parseRedirects } from './site-rules.mjs';

export const staticDriver: Driver = {
  name: 'static',
  version: 2,
  detect: async (tree) => (marks.some((path) => tree.has(path)) ? 'Static site' : undefined),
  plan: async (tree) => plan(tree),
};

const marks = [
  'index.html',
  'public/index.html',
  'dist/index.html',
  'build/index.html',
  'static.json',
  'Staticfile',
];
const serverPath = 'opt/berth/static/server.mjs';

export const serveCommand = `node /${serverPath}`;

/** The server as files of a layer; the Node driver takes it for builds that only leave a site behind. */
export function serverFiles(): { path: string; mode: number; content: string }[] {
  return ['server.mjs', 'settings.mjs', 'site-rules.mjs', 'respond.mjs', 'send-file.mjs', 'compress.mjs'].map(
    (name) => ({
      path: `opt/berth/static/${name}`,
      mode: 0o644,
      content: readFileSync(new URL(name, import.meta.url), 'utf8'),
    }),
  );
}

/** Tells the server what to serve where no static.json does. `undefined`: it looks for itself. */
export function siteEnv(folder: string | undefined, fallback: string | undefined): Record<string, string> {
  return {
    ...(folder === undefined ? {} : { BERTH_STATIC_ROOT: folder }),
    ...(fallback === undefined ? {} : { BERTH_STATIC_FALLBACK: fallback }),
  };
}

async function plan(tree: SourceTree): Promise<BuildPlan> {
  const root = await checkSettings(tree);
  return {
    language: 'Static site',
    details: [],
    warnings: await unknownRules(tree, root),
    layers: [
      { kind: 'seed', id: 'runtime', inImage: true, part: 'node', prefix: '/opt/berth/node' },
      { kind: 'files', id: 'server', inImage: true, files: serverFiles() },
      { kind: 'source', id: 'source', inImage: true, leaveOut: [] },
    ],
    defaultProcessTypes: { web: serveCommand },
    env: { NODE_ENV: 'production' },
    path: ['/opt/berth/node/bin'],
    varsMatter: false,
  };
}

/** A static.json that does not parse fails here, where the pusher sees it, and not when the server starts. */
async function checkSettings(tree: SourceTree): Promise<string> {
  const text = await tree.readText('static.json', 1024 * 1024);
  if (text === undefined) return usualRoot(tree);
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (cause) {
    throw new AppError(
      'invalid',
      `static.json does not parse: ${cause instanceof Error ? cause.message : ''}`,
      { hint: 'it is JSON: { "root": "public" }', cause },
    );
  }
  const root =
    typeof settings === 'object' && settings !== null && 'root' in settings ? settings.root : undefined;
  if (typeof root !== 'string') return usualRoot(tree);
  const folder = root.replace(/^(\.?\/+)+|\/+$/g, '').replace(/^\.$/, '');
  if (folder !== '' && !tree.hasFolder(folder))
    throw new AppError('invalid', `the folder "${root}" of static.json is not in the commit`, {
      hint: 'commit it or change "root"',
    });
  return folder;
}

/** As settings.mjs looks for it. */
function usualRoot(tree: SourceTree): string {
  if (tree.has('index.html')) return '';
  return ['public', 'dist', 'build'].find((folder) => tree.has(`${folder}/index.html`)) ?? '';
}

/** Lines of _headers and _redirects that the server will leave out. */
async function unknownRules(tree: SourceTree, root: string): Promise<string[]> {
  const at = (name: string) => tree.readText(root === '' ? name : `${root}/${name}`, 1024 * 1024);
  const [headers = '', redirects = ''] = await Promise.all([at('_headers'), at('_redirects')]);
  return [...parseHeaders(headers).problems, ...parseRedirects(redirects).problems]
    .slice(0, 10)
    .map((problem) => `left out: ${problem}`);
}
