// What an app's framework says without configuration: how it is built and started, or which folder of it is a site. Read by facts.ts.
// Knows frameworks by their packages, and reads their configuration as text: nothing of a tree is run here.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { angular } from './framework-angular.ts';
import { tanStackStart } from './framework-tanstack.ts';
import type { Manifest } from './manifest.ts';

/** What is served in place of a process of the app's own. Folders are relative to the package's. */
export interface Site {
  folder: string;
  /** The page for paths without a file: what an app with a router in the browser wants. */
  fallback?: string;
}

export interface Framework {
  name: string;
  /** The command for production, when the start script is missing or a development server. */
  start?: string;
  site?: Site;
  /** Why neither is there: the build would succeed and nothing would run. */
  obstacle?: { message: string; hint: string };
  /** The build command when package.json has no build script. */
  build?: string;
  /** So that it listens where the router reaches it. */
  env?: Record<string, string>;
  /** What the build alone is told. */
  buildEnv?: Record<string, string>;
  /** The build installs packages that only it needs: they stay out of the image. */
  addsPackages?: boolean;
  /** Folders kept between builds, and what only the build needs; neither is in the image. */
  caches?: string[];
  scratch?: string[];
  /** Ran over the build's result, a constant of ours. */
  afterBuild?: string;
}

/** A package's files and dependencies, as the frameworks look at them. */
export interface Look {
  manifest: Manifest;
  uses(...names: string[]): boolean;
  has(path: string): boolean;
  hasFolder(path: string): boolean;
  /** Then what the build leaves need not be what the framework's own command starts. */
  saysHowToStart: boolean;
  /** The text of the first of `name` + .js, .mjs, .cjs, .ts, .mts that is there, without comments. */
  config(name: string): Promise<string>;
  text(path: string): Promise<string>;
}

type Recognise = (look: Look) => Promise<Framework | undefined> | Framework | undefined;

/** Those that stand on others come first: SvelteKit, Astro and Remix use Vite, Gatsby and Docusaurus use React. */
const known: readonly Recognise[] = [
  next,
  nuxt,
  svelteKit,
  astro,
  reactRouter,
  remix,
  tanStackStart,
  nitro,
  nest,
  expo,
  angular,
  (look) => site(look, 'Create React App', 'react-scripts', 'build', 'react-scripts build', 'index.html'),
  (look) =>
    site(look, 'Docusaurus', '@docusaurus/core', 'build', 'docusaurus build', undefined, ['.docusaurus']),
  (look) => site(look, 'Gatsby', 'gatsby', 'public', 'gatsby build'),
  (look) => site(look, 'Eleventy', '@11ty/eleventy', '_site', 'eleventy'),
  (look) => site(look, 'Vue CLI', '@vue/cli-service', 'dist', 'vue-cli-service build', 'index.html'),
  vitePress,
  vite,
  (look) => site(look, 'Parcel', 'parcel', 'dist', undefined, 'index.html', ['.parcel-cache']),
];

export async function findFramework(
  tree: SourceTree,
  manifest: Manifest,
  folder: string,
): Promise<Framework | undefined> {
  const prefix = folder === '' ? '' : `${folder}/`;
  const names = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
  const text = async (path: string) =>
    withoutComments((await tree.readText(`${prefix}${path}`, 1024 * 1024)) ?? '');
  const look: Look = {
    manifest,
    uses: (...some) => some.some((name) => names.has(name)),
    has: (path) => tree.has(`${prefix}${path}`),
    hasFolder: (path) => tree.hasFolder(`${prefix}${path}`),
    saysHowToStart: manifest.scripts['start'] !== undefined || tree.has('Procfile'),
    text,
    config: (name) => {
      const ending = endings.find((one) => tree.has(`${prefix}${name}${one}`));
      return ending === undefined ? Promise.resolve('') : text(`${name}${ending}`);
    },
  };
  for (const recognise of known) {
    const framework = await recognise(look);
    if (framework) return framework;
  }
  return undefined;
}

const endings = ['.js', '.mjs', '.cjs', '.ts', '.mts'];

/** Good enough to look for settings in: strings are kept, whatever they hold. */
function withoutComments(text: string): string {
  const stringOrComment =
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/.*$/gm;
  return text.replace(stringOrComment, (_, kept: string | undefined) => kept ?? '');
}

async function next(look: Look): Promise<Framework | undefined> {
  if (!look.uses('next') || isOnlyShared(look)) return undefined;
  const config = await look.config('next.config');
  // Telemetry asks for a home that is not there.
  const common = {
    name: 'Next.js',
    build: 'next build',
    caches: ['.next/cache'],
    env: { HOSTNAME: '0.0.0.0', NEXT_TELEMETRY_DISABLED: '1' },
  };
  const output = setting(config, 'output');
  if (output === 'export') return { ...common, site: { folder: setting(config, 'distDir') ?? 'out' } };
  if (output === 'standalone' && setting(config, 'distDir') === undefined)
    return { ...common, start: 'node .next/standalone/server.js', afterBuild: standaloneScript };
  return { ...common, start: 'next start' };
}

/** Nx keeps the packages of all apps at the root; Next itself is in one of the workspaces, with its pages. */
function isOnlyShared(look: Look): boolean {
  return look.has('nx.json') && !['app', 'pages', 'src/app', 'src/pages'].some(look.hasFolder);
}

/** Next leaves these two to whoever deploys. */
const standaloneScript = `
if [ -f .next/standalone/server.js ]; then
  [ ! -d public ] || cp -R public .next/standalone/
  cp -R .next/static .next/standalone/.next/
fi
`;

async function nuxt(look: Look): Promise<Framework | undefined> {
  if (!look.uses('nuxt', 'nuxt3', 'nuxt-nightly')) return undefined;
  const { dependencies, devDependencies, scripts } = look.manifest;
  const version = dependencies['nuxt'] ?? devDependencies['nuxt'] ?? '';
  if (/^[\^~>=v]*2\b/.test(version))
    return { name: 'Nuxt 2', start: 'nuxt start', build: 'nuxt build', env: { HOST: '0.0.0.0' } };
  const common = { name: 'Nuxt', build: 'nuxt build', scratch: ['.nuxt'] };
  if (/\bnux(t|i)3? generate\b/.test(scripts['build'] ?? scripts['heroku-postbuild'] ?? ''))
    return { ...common, site: { folder: '.output/public', fallback: '200.html' } };
  return { ...common, start: 'node .output/server/index.mjs', env: { NITRO_HOST: '0.0.0.0' } };
}

async function svelteKit(look: Look): Promise<Framework | undefined> {
  if (!look.uses('@sveltejs/kit')) return undefined;
  // Behind the router the app itself sees plain HTTP; forms are refused when the scheme is wrong.
  const env = { HOST: '0.0.0.0', PROTOCOL_HEADER: 'x-forwarded-proto' };
  const config = `${await look.config('svelte.config')}\n${await look.config('vite.config')}`;
  const common = { name: 'SvelteKit', build: 'vite build', scratch: ['.svelte-kit'] };
  const imports = (adapter: string) => config.includes(`@sveltejs/adapter-${adapter}`);
  if (imports('node')) return { ...common, start: `node ${folderOf(setting(config, 'out'), 'build')}`, env };
  if (imports('auto'))
    return {
      ...common,
      start: 'node build',
      env,
      // What makes adapter-auto take adapter-node, which it adds itself.
      buildEnv: { GCP_BUILDPACKS: 'true' },
      addsPackages: true,
      ...(look.saysHowToStart ? {} : { afterBuild: adapterAutoScript }),
    };
  if (imports('static')) {
    const fallback = setting(config, 'fallback');
    const folder = folderOf(setting(config, 'pages'), 'build');
    return { ...common, site: { folder, ...(fallback === undefined ? {} : { fallback }) } };
  }
  const adapter = /@sveltejs\/adapter-[\w-]+/.exec(config)?.[0] ?? 'no adapter';
  return {
    ...common,
    obstacle: {
      message: `SvelteKit is set up with ${adapter}, which makes nothing that runs here`,
      hint: 'run "npm install -D @sveltejs/adapter-node", import it in svelte.config.js in the other\'s place, and push again',
    },
  };
}

const adapterAutoScript = `
[ -f build/index.js ] || {
  echo 'adapter-auto has not taken adapter-node: update it (3.3 is the first that does), or set up adapter-node in its place' >&2
  exit 1
}
`;

async function astro(look: Look): Promise<Framework | undefined> {
  if (!look.uses('astro')) return undefined;
  const config = await look.config('astro.config');
  const common = { name: 'Astro', build: 'astro build', scratch: ['.astro'] };
  const folder = folderOf(setting(config, 'outDir'), 'dist');
  if (config.includes('@astrojs/node'))
    return { ...common, start: `node ${folder}/server/entry.mjs`, env: { HOST: '0.0.0.0' } };
  const adapter = /@astrojs\/(?:vercel|netlify|cloudflare)\b/.exec(config)?.[0];
  if (adapter && setting(config, 'output') === 'server')
    return {
      ...common,
      obstacle: {
        message: `Astro is set up with ${adapter}, which makes nothing that runs here`,
        hint: 'run "npx astro add node" and push again',
      },
    };
  return { ...common, site: { folder } };
}

async function reactRouter(look: Look): Promise<Framework | undefined> {
  if (!look.uses('@react-router/dev')) return undefined;
  const config = await look.config('react-router.config');
  const common = { name: 'React Router', build: 'react-router build', scratch: ['.react-router'] };
  if (/\bssr\s*:\s*false\b/.test(config))
    return { ...common, site: { folder: 'build/client', fallback: 'index.html' } };
  return {
    ...common,
    ...(look.uses('@react-router/serve') ? { start: 'react-router-serve ./build/server/index.js' } : {}),
    env: { HOST: '0.0.0.0' },
  };
}

async function remix(look: Look): Promise<Framework | undefined> {
  if (!look.uses('@remix-run/dev')) return undefined;
  const isVite = look.uses('vite');
  const config = await look.config('vite.config');
  const common = { name: 'Remix', build: isVite ? 'remix vite:build' : 'remix build' };
  if (/\bssr\s*:\s*false\b/.test(config))
    return { ...common, site: { folder: 'build/client', fallback: 'index.html' } };
  const start = isVite ? 'remix-serve ./build/server/index.js' : 'remix-serve build';
  return { ...common, ...(look.uses('@remix-run/serve') ? { start } : {}), env: { HOST: '0.0.0.0' } };
}

/** SolidStart, TanStack Start and others whose server is Nitro's. */
function nitro(look: Look): Framework | undefined {
  if (!look.uses('@solidjs/start', 'vinxi', 'nitropack', 'nitro')) return undefined;
  const build = look.uses('vinxi') ? 'vinxi build' : look.uses('nitropack') ? 'nitropack build' : undefined;
  return {
    name: look.uses('@solidjs/start') ? 'SolidStart' : 'Nitro',
    start: 'node .output/server/index.mjs',
    ...(build === undefined ? {} : { build }),
    env: { NITRO_HOST: '0.0.0.0' },
    scratch: ['.vinxi'],
  };
}

function nest(look: Look): Framework | undefined {
  if (!look.uses('@nestjs/core')) return undefined;
  const production = look.manifest.scripts['start:prod']?.trim();
  const start = production && /^node [\w./-]+$/.test(production) ? production : 'node dist/main';
  return { name: 'NestJS', start, ...(look.uses('@nestjs/cli') ? { build: 'nest build' } : {}) };
}

/** What of an Expo app browsers can run; a fallback unless each route has a page of its own. */
async function expo(look: Look): Promise<Framework | undefined> {
  if (!look.uses('expo') || !look.uses('react-native-web')) return undefined;
  const config = `${await look.text('app.json')}\n${await look.config('app.config')}`;
  const isPaged = /["']?output["']?\s*:\s*["']static["']/.test(config);
  return {
    name: 'Expo',
    build: 'expo export --platform web',
    site: { folder: 'dist', ...(isPaged ? {} : { fallback: 'index.html' }) },
    buildEnv: { EXPO_NO_TELEMETRY: '1' },
    scratch: ['.expo'],
  };
}

function vitePress(look: Look): Framework | undefined {
  if (!look.uses('vitepress')) return undefined;
  const inDocs = look.has('docs/index.md');
  const folder = inDocs ? 'docs/.vitepress/dist' : '.vitepress/dist';
  return { name: 'VitePress', site: { folder }, build: inDocs ? 'vitepress build docs' : 'vitepress build' };
}

async function vite(look: Look): Promise<Framework | undefined> {
  if (!look.uses('vite') || !look.has('index.html')) return undefined;
  const config = await look.config('vite.config');
  const folder = folderOf(setting(config, 'outDir'), 'dist');
  return { name: 'Vite', site: { folder, fallback: 'index.html' }, build: 'vite build' };
}

function site(
  look: Look,
  name: string,
  packageName: string,
  folder: string,
  build: string | undefined,
  fallback?: string,
  scratch: string[] = [],
): Framework | undefined {
  if (!look.uses(packageName)) return undefined;
  return {
    name,
    site: { folder, ...(fallback === undefined ? {} : { fallback }) },
    ...(build === undefined ? {} : { build }),
    scratch,
  };
}

/** `name: 'value'` anywhere in a configuration's text. */
function setting(config: string, name: string): string | undefined {
  return new RegExp(`\\b${name}\\s*:\\s*(['"\`])([\\w@./-]+)\\1`).exec(config)?.[2];
}

/** A folder below the package's own; anything else is not what a build of ours can serve. */
function folderOf(written: string | undefined, usual: string): string {
  const folder = (written ?? usual).replace(/^\.\//, '').replace(/\/+$/, '');
  return folder === '' || folder.startsWith('/') || folder.split('/').includes('..') ? usual : folder;
}
