// `--change` of docker import and docker commit: single Dockerfile instructions laid over an image's config. Pure.
import { AppError } from '@berth/kit/errors.ts';
import type { ImageDefaults } from './image-config.ts';

type Change = (config: ImageDefaults, rest: string) => ImageDefaults;

/** `changes`: `CMD ["/app"]`, `ENV A=1`, `LABEL a=b`, … An instruction that changes no config is refused. */
export function applyChanges(config: ImageDefaults, changes: readonly string[]): ImageDefaults {
  let changed = config;
  for (const line of changes.flatMap((change) => change.split('\n'))) {
    const [, word = '', rest = ''] = /^\s*(\w+)\s+(.*?)\s*$/s.exec(line) ?? [];
    if (line.trim() === '') continue;
    const change = instructions[word.toUpperCase()];
    if (!change)
      throw new AppError('bad_request', `"${line.trim()}" is not a valid change command`, {
        hint: `use ${Object.keys(instructions).join(', ')}`,
      });
    changed = change(changed, rest);
  }
  return changed;
}

const instructions: Record<string, Change> = {
  CMD: (config, rest) => ({ ...config, Cmd: command(rest) }),
  ENTRYPOINT: (config, rest) => ({ ...config, Entrypoint: command(rest) }),
  ENV: (config, rest) => ({ ...config, Env: mergedEnv(config.Env, pairs(rest)) }),
  EXPOSE: (config, rest) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...ports(rest) } }),
  HEALTHCHECK: (config, rest) => ({ ...config, Healthcheck: healthcheck(rest) }),
  LABEL: (config, rest) => ({ ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(rest)) } }),
  ONBUILD: (config, rest) => ({ ...config, OnBuild: [...config.OnBuild, rest] }),
  SHELL: (config, rest) => ({ ...config, Shell: jsonList(rest) ?? refuse('SHELL', rest) }),
  STOPSIGNAL: (config, rest) => ({ ...config, StopSignal: rest }),
  USER: (config, rest) => ({ ...config, User: rest }),
  VOLUME: (config, rest) => ({
    ...config,
    Volumes: { ...config.Volumes, ...emptyObjects(jsonList(rest) ?? words(rest)) },
  }),
  WORKDIR: (config, rest) => ({ ...config, WorkingDir: rest }),
};

function refuse(word: string, rest: string): never {
  throw new AppError('bad_request', `"${word} ${rest}" is not a valid change command`);
}

/** The JSON form, or a line for the shell. */
function command(rest: string): string[] {
  return jsonList(rest) ?? ['/bin/sh', '-c', rest];
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Words with quotes and backslashes as a shell reads them. */
function words(text: string): string[] {
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  return (text.match(pattern) ?? []).map((word) =>
    word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (...match: (string | undefined)[]) => {
      const [, escaped, double, single] = match;
      return escaped ?? double?.replace(/\\(.)/gs, '$1') ?? single ?? '';
    }),
  );
}

/** `A=1 B="2 3"`, or the old form `A the rest`. */
function pairs(rest: string): [string, string][] {
  const all = words(rest);
  if (!all[0]?.includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s+(.*)$/s.exec(rest) ?? [];
    return name === '' ? refuse('ENV', rest) : [[name, value]];
  }
  return all.map((word) => {
    const cut = word.indexOf('=');
    return cut < 1 ? refuse('ENV', rest) : [word.slice(0, cut), word.slice(cut + 1)];
  });
}

function mergedEnv(env: readonly string[], added: readonly [string, string][]): string[] {
  const merged = new Map(env.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const [name, value] of added) merged.set(name, `${name}=${value}`);
  return [...merged.values()];
}

function ports(rest: string): Record<string, object> {
  const names = words(rest).map((port) => (port.includes('/') ? port : `${port}/tcp`));
  for (const name of names) if (!/^\d+(?:-\d+)?\/(?:tcp|udp|sctp)$/.test(name)) refuse('EXPOSE', rest);
  return emptyObjects(names);
}

function emptyObjects(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

const durations: Record<string, string> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

function healthcheck(rest: string): Record<string, unknown> {
  if (rest.toUpperCase() === 'NONE') return { Test: ['NONE'] };
  const settings: Record<string, unknown> = {};
  let text = rest;
  for (let flag = /^--([a-z-]+)=(\S+)\s+/.exec(text); flag; flag = /^--([a-z-]+)=(\S+)\s+/.exec(text)) {
    const [whole, name = '', value = ''] = flag;
    if (name === 'retries') settings['Retries'] = Number(value);
    else settings[durations[name] ?? refuse('HEALTHCHECK', rest)] = nanoseconds(value);
    text = text.slice(whole.length);
  }
  const [, line = ''] = /^CMD\s+(.*)$/is.exec(text) ?? refuse('HEALTHCHECK', rest);
  const list = jsonList(line);
  return { Test: list ? ['CMD', ...list] : ['CMD-SHELL', line], ...settings };
}

const unitNanoseconds: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function nanoseconds(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/.test(text)) refuse('HEALTHCHECK', text);
  let total = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g))
    total += Number(number) * (unitNanoseconds[unit] ?? 0);
  return total;
}
