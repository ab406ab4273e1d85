// berth.toml → what it says of the app. Called by read-manifest.ts. A wrong key, type, unit or expression is `invalid` with its line.
import { BerthToml, type CronEntry, type HealthCheck } from '@berth/contract/manifest.ts';
import { reservedConfigKeys, unscaledProcessTypes } from '@berth/contract/names.ts';
import { parseCron } from '@berth/kit/cron-schedule.ts';
import {
  at,
  entriesOf,
  itemsOf,
  type Located,
  type LocatedTable,
  plain,
  problemAt,
  textOf,
} from '../source/located.ts';
import { parseToml } from '../source/parse-toml.ts';
import type { AppManifest, BuildRequest, RequestedVar } from './app-manifest.ts';
import { checkShape } from './check-shape.ts';
import { memoryMb, seconds } from './units.ts';

export const berthTomlName = 'berth.toml';

export type BerthTomlParts = Pick<
  AppManifest,
  'build' | 'processTypes' | 'formation' | 'healthChecks' | 'stopTimeouts' | 'env' | 'vars' | 'places'
> & { port?: number; cron?: CronEntry[]; releaseCommand?: string; releaseTimeoutSeconds?: number };

/** Longer than the scheduler waits for a deployment's instances, nobody can wait. */
const maxGraceSeconds = 600;
const maxProbeSeconds = 60;
const maxStopSeconds = 3600;
const maxReleaseSeconds = 3600;
/** Linux gives a process no environment string beyond 128 KiB. */
const maxValueLength = 32 * 1024;
const minMemoryMb = 16;
const maxMemoryMb = 1_048_576;

export function readBerthToml(text: string): BerthTomlParts {
  const file = parseToml(berthTomlName, text);
  checkShape(file, { file: berthTomlName, schema: BerthToml, describe });
  const parts: BerthTomlParts = {
    build: buildRequest(at(file, 'build')),
    processTypes: {},
    formation: {},
    healthChecks: {},
    stopTimeouts: {},
    env: {},
    vars: {},
    places: {},
  };
  for (const [type, { line, value }] of entriesOf(at(file, 'processes')))
    readProcess(type, line, value, parts);
  for (const [name, { line, value }] of entriesOf(at(file, 'env'))) readVar(name, line, value, parts);
  if (at(file, 'cron')) parts.cron = itemsOf(at(file, 'cron')).map(cronEntry);
  const release = at(file, 'release');
  const command = textOf(at(release, 'command'));
  if (command !== undefined) parts.releaseCommand = command;
  const timeout = duration(at(release, 'timeout'), '"timeout" of [release]', maxReleaseSeconds);
  if (timeout !== undefined) parts.releaseTimeoutSeconds = timeout;
  return parts;
}

function describe(path: readonly string[]): string {
  if (path.length === 0) return 'berth.toml';
  const isSection =
    (path.length === 1 && path[0] !== undefined) ||
    (path[0] === 'processes' && (path.length === 2 || path[2] === 'health') && path.length <= 3);
  if (path[0] === 'cron' && path.length === 1) return '[[cron]]';
  return isSection ? `[${path.join('.')}]` : `"${path.at(-1)}" of ${describe(path.slice(0, -1))}`;
}

function buildRequest(section: Located | undefined): BuildRequest {
  if (section === undefined) return {};
  const request = plain(section) as BuildRequest & { args?: Record<string, string | number | boolean> };
  for (const key of ['root', 'dockerfile'] as const) {
    const path = textOf(at(section, key))?.replace(/^(\.\/)+|\/+$/g, '');
    if (path === undefined) continue;
    if (path.split('/').some((part) => part === '..' || part === ''))
      throw wrongAt(section, key, `"${key}" of [build] must stay below the root of the repository`);
    request[key] = path === '' ? '.' : path;
  }
  if (request.root === '.') delete request.root;
  if (request.args)
    request.args = Object.fromEntries(
      Object.entries(request.args).map(([name, value]) => [name, String(value)]),
    );
  if (request.builder === 'buildpacks')
    for (const key of ['dockerfile', 'target', 'args', 'secrets'])
      if (at(section, key))
        throw wrongAt(section, key, `"${key}" is for Dockerfiles, but "builder" is "buildpacks"`);
  if (request.builder === 'dockerfile' && request.buildpacks)
    throw wrongAt(section, 'buildpacks', '"buildpacks" is there, but "builder" is "dockerfile"');
  return request;
}

function wrongAt(section: Located, key: string, problem: string, hint?: string) {
  const line = section.kind === 'table' ? section.entries.get(key)?.line : undefined;
  return problemAt(berthTomlName, line ?? section.line, problem, hint);
}

function readProcess(type: string, line: number, value: Located, parts: BerthTomlParts): void {
  if (unscaledProcessTypes.has(type))
    throw problemAt(
      berthTomlName,
      line,
      `"${type}" is no process type of a formation`,
      type === 'release' ? 'write [release] with a "command"' : 'choose another name',
    );
  parts.places[type] = `${berthTomlName} line ${line}`;
  const command = textOf(value) ?? textOf(at(value, 'command'));
  if (command !== undefined) parts.processTypes[type] = command;
  if (value.kind !== 'table') return;
  const quantity = numberOf(at(value, 'quantity'));
  const memory = memoryOf(at(value, 'memory'));
  if (quantity !== undefined || memory !== undefined)
    parts.formation[type] = {
      ...(quantity === undefined ? {} : { quantity }),
      ...(memory === undefined ? {} : { memoryMb: memory }),
    };
  const port = numberOf(at(value, 'port'));
  if (port !== undefined) {
    if (type !== 'web')
      throw wrongAt(value, 'port', 'only "web" has a "port"', 'requests are routed to "web" alone');
    parts.port = port;
  }
  const stop = duration(at(value, 'stop_timeout'), '"stop_timeout"', maxStopSeconds);
  if (stop !== undefined) parts.stopTimeouts[type] = stop;
  const health = at(value, 'health');
  if (health?.kind === 'table') parts.healthChecks[type] = readHealth(type, health);
}

function readHealth(type: string, health: LocatedTable): HealthCheck {
  const path = textOf(at(health, 'path'));
  const port = numberOf(at(health, 'port'));
  if (type !== 'web' && port === undefined)
    throw problemAt(
      berthTomlName,
      health.line,
      `[processes.${type}.health] has no "port"`,
      'only "web" has a port that the platform knows',
    );
  const timeout = duration(at(health, 'timeout'), '"timeout" of a health check', maxProbeSeconds);
  const grace = duration(at(health, 'grace'), '"grace" of a health check', maxGraceSeconds);
  return {
    ...(path === undefined ? {} : { path }),
    ...(port === undefined ? {} : { port }),
    ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
    ...(grace === undefined ? {} : { graceSeconds: grace }),
  };
}

function readVar(name: string, line: number, value: Located, parts: BerthTomlParts): void {
  if (reservedConfigKeys.has(name))
    throw problemAt(
      berthTomlName,
      line,
      `the platform sets "${name}" itself`,
      name === 'PORT' ? 'write "port = 8080" in [processes.web]' : 'choose another name',
    );
  if (value.kind === 'value') {
    if (String(value.value).length > maxValueLength)
      throw problemAt(
        berthTomlName,
        line,
        `the value of "${name}" is longer than ${maxValueLength} characters`,
      );
    parts.env[name] = String(value.value);
    return;
  }
  const description = textOf(at(value, 'description'));
  const asked: RequestedVar = {
    ...(description === undefined ? {} : { description }),
    required: plain(at(value, 'required') ?? value) === true,
  };
  if (at(value, 'generator')) asked.generate = true;
  if (!asked.required && !asked.generate)
    throw problemAt(
      berthTomlName,
      line,
      `"${name}" has no value`,
      'give it one, or say "required = true" or "generator = \'secret\'"',
    );
  parts.vars[name] = asked;
}

function cronEntry(entry: Located): CronEntry {
  const schedule = textOf(at(entry, 'schedule')) ?? '';
  const parsed = parseCron(schedule);
  if (typeof parsed === 'string') throw wrongAt(entry, 'schedule', parsed);
  const memory = memoryOf(at(entry, 'memory'));
  return {
    schedule,
    command: textOf(at(entry, 'command')) ?? '',
    ...(memory === undefined ? {} : { memoryMb: memory }),
  };
}

function memoryOf(value: Located | undefined): number | undefined {
  const text = textOf(value);
  if (text === undefined || value === undefined) return undefined;
  const megabytes = memoryMb(text);
  if (megabytes < minMemoryMb || megabytes > maxMemoryMb)
    throw problemAt(berthTomlName, value.line, `"${text}" of memory is not between 16mb and 1024gb`);
  return megabytes;
}

function duration(value: Located | undefined, name: string, max: number): number | undefined {
  const text = textOf(value);
  if (text === undefined || value === undefined) return undefined;
  const found = seconds(text);
  if (found > max)
    throw problemAt(berthTomlName, value.line, `${name} is "${text}", more than ${max} seconds`);
  return found;
}

function numberOf(value: Located | undefined): number | undefined {
  return value?.kind === 'value' && typeof value.value === 'number' ? value.value : undefined;
}
