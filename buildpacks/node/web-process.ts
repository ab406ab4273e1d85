// What answers the router when the tree has no Procfile: a command, or a site that a build leaves behind. Pure; used by driver.ts.
import { AppError } from '@berth/kit/errors.ts';
import type { Facts, Part } from './facts.ts';
import type { Site } from './frameworks.ts';
import type { Manifest } from './manifest.ts';

export interface WebProcess {
  /** Undefined: `site` is served. */
  command?: string;
  /** Folder undefined: the first of the usual ones that the build has made. */
  site?: { folder?: string; fallback?: string };
  /** What was found, for the user. */
  detail?: string;
}

/** Nothing a shell would treat: such a script can be run as it stands, and its process gets SIGTERM itself. */
const plainCommand = /^[\w@%+:,./=-]+(?: +[\w@%+:,./=-]+)*$/;
const beginsWithAssignment = /^[A-Za-z_]\w*=/;

/** Commands that serve the source to its author, not a build to the world. */
const developmentServers = [
  '(react-scripts|craco|react-app-rewired|rescripts) start',
  'ng s(erve)?',
  'vue-cli-service( serve)?',
  'gatsby develop',
  'docusaurus start',
  '(@11ty/)?eleventy .*--(serve|watch)',
  '(astro|next|nuxt|nuxi|remix|react-router|svelte-kit|vinxi|vitepress|nitro|nitropack) dev',
  '(astro|vite|vitepress) preview',
  'remix vite:dev',
  'vite( (dev|serve))?( -.*)?$',
  String.raw`parcel( serve)?( (?!build|watch)\S+)*$`,
  '(webpack serve|webpack-dev-server)',
  'nest start( .*)?$',
  'expo start( .*)?$',
];
const developmentServer = new RegExp(
  String.raw`^(?:cross-env \S+=\S* +|npx +|\w+=\S* +)*(?:${developmentServers.join('|')})(?=\s|$)`,
);

/**
 * The app's own start script first, as everywhere; a development server is replaced by what the framework makes for production.
 * `invalid` when the framework's set-up makes nothing that runs here.
 */
export function webProcess(facts: Facts, part: Part): WebProcess | undefined {
  const { framework, buildScript } = part;
  const script = startScript(part.manifest);
  const isDevelopment =
    script !== undefined &&
    (developmentServer.test(script.resolved) || servesNoExport(script.resolved, part));
  if (script && !isDevelopment) {
    // `next start` does not serve the folder that "standalone" makes.
    if (framework?.afterBuild && /^next start\b/.test(script.resolved) && framework.start)
      return { command: framework.start, detail: `${framework.name}: started by "${framework.start}"` };
    return { command: asCommand(script.text, part.manifest, facts.manager.label) };
  }
  const instead = script
    ? `, in place of ${servesNoExport(script.resolved, part) ? '' : 'the development server '}"${script.resolved}"`
    : '';
  if (framework?.obstacle)
    throw new AppError('invalid', framework.obstacle.message, { hint: framework.obstacle.hint });
  if (framework?.start)
    return {
      command: framework.start,
      detail: `${framework.name}: started by "${framework.start}"${instead}`,
    };
  if (framework?.site)
    return { site: framework.site, detail: `${framework.name}: ${describe(framework.site)}${instead}` };
  const entry = entryFile(facts, part);
  if (entry) return { command: `${facts.manager.kind === 'bun' ? 'bun' : 'node'} ${entry}` };
  if (buildScript !== undefined) return { site: {} };
  return script && { command: asCommand(script.text, part.manifest, facts.manager.label) };
}

/** What Next's "output: export" leaves is a site; its own server refuses to start on it. */
function servesNoExport(script: string, { framework }: Part): boolean {
  return framework?.name === 'Next.js' && framework.site !== undefined && /^next start\b/.test(script);
}

function describe({ folder, fallback }: Site): string {
  const more = fallback === undefined ? '' : `, unknown paths get ${fallback}`;
  return `"${folder}" is served as a static site${more}`;
}

/** The start script, and what it comes to when it only calls another one. */
function startScript({ scripts }: Manifest): { text: string; resolved: string } | undefined {
  const text = scripts['start']?.trim();
  if (!text) return undefined;
  let resolved = text;
  // Three steps are more than anybody writes; scripts may call each other in a circle.
  for (let step = 0; step < 3; step++) {
    const called = /^(?:npm|yarn|pnpm|bun) (?:run )?([\w:.-]+)$/.exec(resolved)?.[1];
    const next = called === undefined ? undefined : scripts[called]?.trim();
    if (!next) break;
    resolved = next;
  }
  return { text, resolved };
}

/** `npm start` costs a second Node process, 0.2 s at each boot, and hides SIGTERM; so a plain start script is run directly. */
function asCommand(script: string, manifest: Manifest, manager: string): string {
  const hasHooks = manifest.scripts['prestart'] !== undefined || manifest.scripts['poststart'] !== undefined;
  const isPlain = plainCommand.test(script) && !beginsWithAssignment.test(script);
  return isPlain && !hasHooks ? script : `${manager} ${manager === 'bun' ? 'run ' : ''}start`;
}

/** Heroku's server.js; else what "main" names, unless a build may be what turns it into an app. */
function entryFile({ tree, manager }: Facts, { folder, manifest, buildScript }: Part): string | undefined {
  const has = (path: string) => tree.has(folder === '' ? path : `${folder}/${path}`);
  if (has('server.js')) return 'server.js';
  // Bun runs TypeScript as it stands: a build script beside it only checks.
  if (buildScript !== undefined) return manager.kind === 'bun' && has('index.ts') ? 'index.ts' : undefined;
  const main = manifest.main?.replace(/^\.\//, '');
  const usual = ['index.js', 'app.js', 'index.mjs', 'main.js', 'server.mjs'];
  const typed = ['index.ts', 'server.ts', 'src/index.ts', 'index.tsx'];
  const candidates = [...(main ? [main] : []), ...usual, ...(manager.kind === 'bun' ? typed : [])];
  return candidates.find((path) => /^[\w@./-]+$/.test(path) && !path.startsWith('-') && has(path));
}
