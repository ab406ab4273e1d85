// app.json (Heroku's, with Dokku's additions) → what it says of the app. Called by read-manifest.ts. Wrong types and expressions are `invalid` with
// their line; what is not there yet, and a key that nobody knows, is a warning: the file is also read by others.
import { AppJson, type CronEntry, type HealthCheck } from '@berth/contract/manifest.ts';
import {
  configKeyPattern,
  processTypePattern,
  reservedConfigKeys,
  unscaledProcessTypes,
} from '@berth/contract/names.ts';
import { parseCron } from '@berth/kit/cron-schedule.ts';
import {
  at,
  entriesOf,
  itemsOf,
  type Located,
  type LocatedEntry,
  plain,
  problemAt,
  textOf,
} from '../source/located.ts';
import { parseJson } from '../source/parse-json.ts';
import type { AppManifest } from './app-manifest.ts';
import { checkShape, didYouMean } from './check-shape.ts';
import { dynoSizeMb, dynoSizes } from './units.ts';

export const appJsonName = 'app.json';

export type AppJsonParts = Pick<
  AppManifest,
  'formation' | 'healthChecks' | 'vars' | 'postdeploy' | 'warnings' | 'places'
> & { buildpacks?: string[]; cron?: CronEntry[]; predeploy?: string };

/** Words about the button, the review apps and the listing on Heroku: they ask nothing of a platform that is pushed to. */
const aboutOthers: ReadonlySet<string> = new Set([
  '$schema',
  'name',
  'description',
  'keywords',
  'website',
  'repository',
  'logo',
  'success_url',
  'environments',
  'stack',
  'image',
  'pr-predestroy',
  'test',
  'test-setup',
]);

/** Whose file it is: Expo and React Native have an app.json of their own. */
export function isForPlatforms(file: Located): boolean {
  const known = Object.keys(AppJson.properties);
  return entriesOf(file).some(([key]) => known.includes(key));
}

export function readAppJson(text: string): AppJsonParts {
  const parts: AppJsonParts = {
    formation: {},
    healthChecks: {},
    vars: {},
    postdeploy: {},
    warnings: [],
    places: {},
  };
  const file = parseJson(appJsonName, text);
  if (!isForPlatforms(file)) return parts;
  const unknown = (key: string, line: number, among: readonly string[], path: readonly string[]) => {
    if (aboutOthers.has(key) || (path[0] === 'formation' && path.length > 1) || path[0] === 'addons') return;
    parts.warnings.push(`app.json line ${line}: "${key.slice(0, 60)}" is not known${didYouMean(key, among)}`);
  };
  const source = withFormationByName(file);
  checkShape(source, { file: appJsonName, schema: AppJson, describe, onUnknownKey: unknown });
  for (const [name, { line, value }] of named(source, 'env', configKeyPattern))
    readVar(name, line, value, parts);
  for (const [type, { line, value }] of named(source, 'formation', processTypePattern))
    readFormation(type, line, value, parts);
  for (const [type, { value }] of named(source, 'healthchecks', processTypePattern))
    readHealth(type, value, parts);
  readScripts(at(source, 'scripts'), parts);
  if (at(source, 'cron')) parts.cron = itemsOf(at(source, 'cron')).map(cronEntry);
  const buildpacks = itemsOf(at(source, 'buildpacks')).flatMap((item) => textOf(at(item, 'url')) ?? []);
  if (buildpacks.length > 0) parts.buildpacks = buildpacks;
  const addons = itemsOf(at(source, 'addons'));
  if (addons.length > 0) {
    const names = addons.map((item) => textOf(item) ?? textOf(at(item, 'plan')) ?? '');
    parts.warnings.push(`app.json asks for add-ons, which are not there yet: ${names.join(', ')}`);
  }
  return parts;
}

/** Entries whose name can be one here; of the others a warning has spoken. */
function named(file: Located, field: string, pattern: string): [string, LocatedEntry][] {
  const valid = new RegExp(pattern);
  return entriesOf(at(file, field)).filter(([name]) => valid.test(name));
}

function describe(path: readonly string[]): string {
  return path.length === 0 ? 'app.json' : `"${path.join('.')}"`;
}

/** An older form of Heroku's: a list of `{process, quantity, size}`. */
function withFormationByName(file: Located): Located {
  const formation = at(file, 'formation');
  if (formation?.kind !== 'array' || file.kind !== 'table') return file;
  const byName = formation.items.flatMap((item) => {
    const name = textOf(at(item, 'process'));
    return name === undefined ? [] : [[name, { line: item.line, value: item }] as const];
  });
  const table: Located = { kind: 'table', line: formation.line, entries: new Map(byName) };
  const entries = new Map(file.entries).set('formation', { line: formation.line, value: table });
  return { ...file, entries };
}

function readVar(name: string, line: number, value: Located, parts: AppJsonParts): void {
  if (reservedConfigKeys.has(name)) {
    parts.warnings.push(`app.json line ${line}: the platform sets "${name}" itself`);
    return;
  }
  if (value.kind === 'value') {
    parts.vars[name] = { required: false, value: String(value.value) };
    return;
  }
  const described = plain(value) as {
    description?: string;
    value?: unknown;
    required?: boolean;
    generator?: string;
  };
  const given = described.value === undefined ? {} : { value: String(described.value) };
  parts.vars[name] = {
    ...(described.description === undefined ? {} : { description: described.description }),
    required: described.required === true,
    ...given,
    ...(described.generator === undefined ? {} : { generate: true }),
  };
  const isAsked = described.value === undefined && described.generator === undefined;
  if (isAsked && described.required === undefined)
    parts.warnings.push(`app.json line ${line}: "${name}" may be needed: berth config:set ${name}=…`);
}

function readFormation(type: string, line: number, value: Located, parts: AppJsonParts): void {
  if (unscaledProcessTypes.has(type)) return;
  const { quantity, size } = plain(value) as { quantity?: number; size?: string };
  const megabytes = size === undefined ? undefined : dynoSizeMb(size);
  if (size !== undefined && megabytes === undefined)
    parts.warnings.push(
      `app.json line ${line}: size "${size.slice(0, 60)}" is not known${didYouMean(size, dynoSizes)}; 512 MB are taken`,
    );
  parts.places[type] = `app.json line ${line}`;
  parts.formation[type] = {
    ...(quantity === undefined ? {} : { quantity }),
    ...(megabytes === undefined ? {} : { memoryMb: megabytes }),
  };
}

/** Dokku's checks: the one that says when an instance is up counts; it is asked until it answers, not a number of times. */
function readHealth(type: string, list: Located, parts: AppJsonParts): void {
  interface Check {
    type?: string;
    path?: string;
    port?: number;
    timeout?: number;
    attempts?: number;
    wait?: number;
    initialDelay?: number;
  }
  const checks = plain(list) as Check[];
  const check =
    checks.find((each) => each.type === 'startup') ?? checks.find((each) => each.type !== 'liveness');
  if (checks.length > 1 || check === undefined)
    parts.warnings.push(
      `app.json line ${list.line}: of the health checks of "${type}" only the one for the start is made`,
    );
  if (!check || (check.path === undefined && check.port === undefined)) return;
  if (type !== 'web' && check.port === undefined) {
    parts.warnings.push(`app.json line ${list.line}: the health check of "${type}" names no port`);
    return;
  }
  const { attempts, wait = 5, timeout = 5, initialDelay = 0 } = check;
  const whole: HealthCheck = {
    ...(check.path === undefined ? {} : { path: check.path }),
    ...(check.port === undefined ? {} : { port: check.port }),
    ...(check.timeout === undefined ? {} : { timeoutSeconds: check.timeout }),
    ...(attempts === undefined
      ? {}
      : { graceSeconds: Math.min(600, initialDelay + attempts * (wait + timeout)) }),
  };
  parts.healthChecks[type] = whole;
}

function readScripts(scripts: Located | undefined, parts: AppJsonParts): void {
  const first = textOf(at(scripts, 'postdeploy')) ?? textOf(at(scripts, 'postdeploy', 'command'));
  if (first !== undefined) parts.postdeploy.first = first;
  const each = textOf(at(scripts, 'dokku', 'postdeploy'));
  if (each !== undefined) parts.postdeploy.each = each;
  const predeploy = textOf(at(scripts, 'dokku', 'predeploy'));
  if (predeploy !== undefined) parts.predeploy = predeploy;
}

function cronEntry(entry: Located): CronEntry {
  const schedule = textOf(at(entry, 'schedule')) ?? '';
  const parsed = parseCron(schedule);
  if (typeof parsed === 'string')
    throw problemAt(appJsonName, at(entry, 'schedule')?.line ?? entry.line, parsed);
  return { schedule, command: textOf(at(entry, 'command')) ?? '' };
}
