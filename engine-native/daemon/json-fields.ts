// Typed, strict reading of a JSON request body: a wrong type is a `bad_request` that names the field. Docker's clients send null for "not given".
import { AppError } from '@berth/kit/errors.ts';

export class JsonFields {
  readonly #value: Record<string, unknown>;
  readonly #path: string;

  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new AppError('bad_request', `"${path || 'the body'}" must be a JSON object`);
    this.#value = value as Record<string, unknown>;
    this.#path = path;
  }

  text(name: string): string | undefined {
    return this.#read(name, 'a string', (value) => typeof value === 'string');
  }

  integer(name: string): number | undefined {
    return this.#read(name, 'a whole number', (value) => Number.isSafeInteger(value));
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, 'true or false', (value) => typeof value === 'boolean');
  }

  texts(name: string): string[] | undefined {
    return this.#read(name, 'a list of strings', isTexts);
  }

  /** A list, or (as Docker accepts for commands) one string. */
  command(name: string): string[] | undefined {
    const value = this.#value[name];
    return typeof value === 'string' ? [value] : this.texts(name);
  }

  map(name: string): Record<string, string> | undefined {
    return this.#read(
      name,
      'an object of strings',
      (value) => isObject(value) && isTexts(Object.values(value)),
    );
  }

  object(name: string): JsonFields | undefined {
    const value = this.#read<unknown>(name, 'an object', isObject);
    return value === undefined ? undefined : new JsonFields(value, this.#name(name));
  }

  objects(name: string): JsonFields[] {
    const values = this.#read<unknown[]>(name, 'a list of objects', Array.isArray) ?? [];
    return values.map((value, index) => new JsonFields(value, `${this.#name(name)}[${index}]`));
  }

  keys(): string[] {
    return Object.keys(this.#value);
  }

  /** True when the field is there and holds anything: not null, false, 0, "" or empty. */
  isGiven(name: string): boolean {
    const value = this.#value[name];
    if (Array.isArray(value)) return value.length > 0;
    return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
  }

  raw(): Record<string, unknown> {
    return this.#value;
  }

  #name(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  #read<T>(name: string, wanted: string, isRight: (value: unknown) => boolean): T | undefined {
    const value = this.#value[name];
    if (value === undefined || value === null) return undefined;
    if (!isRight(value)) throw new AppError('bad_request', `"${this.#name(name)}" must be ${wanted}`);
    // No path, argument or variable can hold one: in C the rest would silently be missing.
    if (hasNul(value)) throw new AppError('bad_request', `"${this.#name(name)}" holds a NUL character`);
    return value as T;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (Array.isArray(value)) return value.some(hasNul);
  return isObject(value) && Object.entries(value).some((entry) => entry.some(hasNul));
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
