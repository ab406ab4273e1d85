// Reads a process's configuration from its environment: declared and checked in one place, failing at boot with every bad variable named.
// The config.ts of each part calls it; nothing else reads process.env.
import { AppError } from './errors.ts';

export interface Setting<T> {
  parse: (raw: string) => T;
  fallback?: T;
  /** What the variable is, for the error and the documentation. */
  about: string;
}

export type Settings = Record<string, Setting<unknown>>;
export type Values<S extends Settings> = { [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export function text(about: string, fallback?: string): Setting<string> {
  return { about, parse: (raw) => raw, ...(fallback === undefined ? {} : { fallback }) };
}

export function integer(about: string, min: number, max: number, fallback?: number): Setting<number> {
  const parse = (raw: string) => {
    const value = Number(raw);
    if (!/^-?\d+$/.test(raw) || value < min || value > max)
      throw new Error(`must be a whole number from ${min} to ${max}`);
    return value;
  };
  return { about, parse, ...(fallback === undefined ? {} : { fallback }) };
}

/** Reads all settings at once; one `invalid` error lists every variable that is missing or wrong. */
export function readConfig<S extends Settings>(
  settings: S,
  env: Record<string, string | undefined> = process.env,
): Values<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, setting] of Object.entries(settings)) {
    const raw = env[name];
    if (raw === undefined || raw === '') {
      if (Object.hasOwn(setting, 'fallback')) values[name] = setting.fallback;
      else problems.push(`${name} is not set (${setting.about})`);
      continue;
    }
    try {
      values[name] = setting.parse(raw);
    } catch (error) {
      problems.push(`${name} ${error instanceof Error ? error.message : 'is wrong'} (${setting.about})`);
    }
  }
  if (problems.length > 0)
    throw new AppError('invalid', `bad configuration: ${problems.join('; ')}`, {
      hint: 'set the variables named above and start again',
    });
  return values as Values<S>;
}
