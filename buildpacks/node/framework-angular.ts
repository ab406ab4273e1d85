// Angular: angular.json says where the build goes, and whether a server comes with it. Used by frameworks.ts.
import type { Framework, Look } from './frameworks.ts';
import { isRecord, parseJson } from './manifest.ts';

export async function angular(look: Look): Promise<Framework | undefined> {
  if (!look.uses('@angular/core') || !look.has('angular.json')) return undefined;
  const json = parseJson(await look.text('angular.json'), 'angular.json');
  const [name, project] = mainProject(json);
  const build = at(at(project, 'architect') ?? at(project, 'targets'), 'build');
  const options = at(build, 'options');
  const written = isRecord(options) ? options['outputPath'] : undefined;
  const base = textOf(written) ?? textOf(at(written, 'base')) ?? `dist/${name}`;
  const folder =
    /^[\w@./-]+$/.test(base) && !base.split('/').includes('..') ? base.replace(/^\.\//, '') : 'dist';
  const common = { name: 'Angular', build: 'ng build', scratch: ['.angular'] };
  // The application builder (17 and later) writes a browser's part and a server's; the older one the site itself.
  const isApplication = /:application$/.test(textOf(at(build, 'builder')) ?? '');
  if (isApplication && (isRecord(at(options, 'ssr')) || at(options, 'ssr') === true))
    return { ...common, start: `node ${folder}/server/server.mjs` };
  const browser = textOf(at(written, 'browser')) ?? 'browser';
  const served = isApplication && browser !== '' ? `${folder}/${browser}` : folder;
  return { ...common, site: { folder: served, fallback: 'index.html' } };
}

function mainProject(json: unknown): [string, unknown] {
  const projects = at(json, 'projects');
  const all = isRecord(projects) ? Object.entries(projects) : [];
  const usual = textOf(at(json, 'defaultProject'));
  const isApplication = ([, project]: [string, unknown]) => at(project, 'projectType') === 'application';
  return all.find(([name]) => name === usual) ?? all.find(isApplication) ?? all[0] ?? ['app', undefined];
}

function at(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
