// The health check of a create request, and how it is laid over the image's. Pure. Times are nanoseconds, as Docker writes them.
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import type { HealthConfig } from './container-config.ts';

const minNanos = 1_000_000;
const times = {
  Interval: 'Interval',
  Timeout: 'Timeout',
  StartPeriod: 'StartPeriod',
  StartInterval: 'StartInterval',
} as const;

export function parseHealthcheck(health: JsonFields | undefined): HealthConfig | undefined {
  if (!health) return undefined;
  const config: HealthConfig = {};
  const test = health.texts('Test');
  if (test !== undefined) config.Test = test;
  for (const name of Object.values(times)) {
    const value = health.integer(name);
    if (value === undefined) continue;
    if (value !== 0 && value < minNanos)
      throw new AppError('bad_request', `${name} in Healthcheck cannot be less than 1ms`);
    config[name] = value;
  }
  const retries = health.integer('Retries');
  if (retries !== undefined) {
    if (retries < 0) throw new AppError('bad_request', 'Retries in Healthcheck cannot be negative');
    config.Retries = retries;
  }
  return config;
}

/** What a container gives wins field by field; an empty test inherits the image's. */
export function mergeHealthcheck(
  own: HealthConfig | undefined,
  image: HealthConfig | undefined,
): HealthConfig | undefined {
  if (!own) return image;
  if (!image || own.Test?.[0] === 'NONE') return own;
  const given = Object.fromEntries(
    Object.entries(own).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value))),
  );
  return { ...image, ...given };
}

/** The command a probe runs; undefined when there is none to run. */
export function probeCommand(health: HealthConfig | undefined, shell: string[]): string[] | undefined {
  const [kind, ...args] = health?.Test ?? [];
  if (kind === 'CMD' && args.length > 0) return args;
  if (kind === 'CMD-SHELL' && args.length > 0) return [...shell, ...args];
  return undefined;
}
