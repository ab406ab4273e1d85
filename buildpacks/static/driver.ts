// The driver for static sites: an index.html (at the root or in a usual folder) without package.json, served by server.mjs.
import { readFileSync } from 'node:fs';
import type { BuildPlan, Driver, PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { parseHeaders, parseRedirects } from './site-rules.mjs';
import { parseStaticfile, type Staticfile } from './staticfile.ts';

export const staticDriver: Driver = {
  name: 'static',
  version: 3,
  detect: async (tree) => (marks.some((path) => tree.has(path)) ? 'Static site' : undefined),
  plan,
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

async function plan(tree: SourceTree, { isLater = false }: PlanContext): Promise<BuildPlan> {
  if (tree.has('Staticfile.auth'))
    throw new AppError('invalid', 'the passwords of "Staticfile.auth" cannot be asked for', {
      hint: 'the site would be open to everybody: take the file out if it may be, or push a server that asks for them',
    });
  const staticfile = parseStaticfile((await tree.readText('Staticfile', 64 * 1024)) ?? '');
  const named = await checkSettings(tree, staticfile, isLater);
  return {
    language: 'Static site',
    details: [],
    warnings: [
      ...staticfile.problems.map((problem) => `left out: ${problem}`),
      ...(await unknownRules(tree, named ?? usualRoot(tree))),
    ],
    layers: [
      { kind: 'seed', id: 'runtime', inImage: true, part: 'node', prefix: '/opt/berth/node' },
      { kind: 'files', id: 'server', inImage: true, files: serverFiles() },
      { kind: 'source', id: 'source', inImage: true, leaveOut: [] },
    ],
    defaultProcessTypes: { web: serveCommand },
    env: {
      NODE_ENV: 'production',
      ...siteEnv(
        tree.has('static.json') ? undefined : named,
        staticfile.singlePage ? 'index.html' : undefined,
      ),
    },
    path: ['/opt/berth/node/bin'],
    varsMatter: false,
  };
}

/**
 * The folder that static.json or the Staticfile names. A static.json that does not parse fails here, where the pusher sees it, and not when the server
 * starts; the folder may be missing only where a language before this one may write it.
 */
async function checkSettings(
  tree: SourceTree,
  staticfile: Staticfile,
  isLater: boolean,
): Promise<string | undefined> {
  const text = await tree.readText('static.json', 1024 * 1024);
  const root = text === undefined ? staticfile.root : rootOf(text);
  if (root === undefined) return undefined;
  const folder = root.replace(/^(\.?\/+)+|\/+$/g, '').replace(/^\.$/, '');
  if (folder !== '' && !tree.hasFolder(folder) && !isLater)
    throw new AppError(
      'invalid',
      `the folder "${root}" of ${text === undefined ? 'Staticfile' : 'static.json'} is not in the commit`,
      { hint: 'commit it or change "root"' },
    );
  return folder;
}

function rootOf(text: string): string | undefined {
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
  return typeof root === 'string' ? root : undefined;
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
