// Strict reading of one object of a manifest: each field is asked for once, and what nobody asked for is an error that names its path
// (`spec.containers[0].imagee`). Used by the parsers of this folder; read-manifests.ts turns a path into a line. Pure.
import { AppError } from '@berth/kit/errors.ts';

const maxTextLength = 128 * 1024; // of one value: the kernel takes no longer argument or variable

export class ManifestFields {
  readonly path: string;
  readonly #value: Record<string, unknown>;
  readonly #known = new Set<string>();

  constructor(value: unknown, path: string) {
    this.path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw wrong(path || 'the manifest', 'must be an object with fields');
    this.#value = value as Record<string, unknown>;
  }

  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    return checkText(value, this.at(name));
  }

  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw wrong(this.at(name), 'must be given');
    return value;
  }

  /** One of a few words. */
  word<T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const known = words.find((word) => word === value);
    if (known !== undefined) return known;
    const choice = words.filter((word) => word !== '').join(', ');
    throw wrong(this.at(name), `is "${value.slice(0, 80)}", which is none of ${choice}`);
  }

  integer(name: string, least: number, most: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw wrong(this.at(name), `must be a whole number from ${least} to ${most}`);
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw wrong(this.at(name), 'must be true or false');
  }

  texts(name: string): string[] | undefined {
    return this.#list(name)?.map((item, index) => checkText(item, `${this.at(name)}[${index}]`));
  }

  integers(name: string, least: number, most: number): number[] {
    return (this.#list(name) ?? []).map((item, index) => {
      if (typeof item === 'number' && Number.isSafeInteger(item) && item >= least && item <= most)
        return item;
      throw wrong(`${this.at(name)}[${index}]`, `must be a whole number from ${least} to ${most}`);
    });
  }

  map(name: string): Record<string, string> {
    const fields = this.object(name);
    if (!fields) return {};
    return Object.fromEntries(fields.keys().map((key) => [key, fields.text(key) ?? '']));
  }

  object(name: string): ManifestFields | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : new ManifestFields(value, this.at(name));
  }

  objects(name: string, most: number): ManifestFields[] {
    const list = this.#list(name) ?? [];
    if (list.length > most) throw wrong(this.at(name), `has more than ${most} entries`);
    return list.map((item, index) => new ManifestFields(item, `${this.at(name)}[${index}]`));
  }

  /** A number or a text, as quantities and ports come. */
  scalar(name: string): string | number | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'number') return value;
    return checkText(value, this.at(name));
  }

  has(name: string): boolean {
    return this.#take(name) !== undefined;
  }

  keys(): string[] {
    return Object.keys(this.#value);
  }

  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  /** Fields that exist in Kubernetes and cannot be honoured here; each with what to do instead. */
  refuse(fields: Readonly<Record<string, string>>): void {
    for (const [name, hint] of Object.entries(fields)) {
      if (this.has(name))
        throw new AppError('unsupported', `"${this.at(name)}" is not supported by this engine`, { hint });
    }
  }

  /** A switch that may only be off. */
  onlyOff(name: string, hint: string): void {
    if (this.flag(name) === true)
      throw new AppError('unsupported', `"${this.at(name)}" is not supported by this engine`, { hint });
  }

  /** After every field was asked for. */
  end(): void {
    const unknown = this.keys().find((key) => !this.#known.has(key));
    if (unknown === undefined) return;
    const near = [...this.#known].find((name) => name.toLowerCase() === unknown.toLowerCase());
    throw new AppError('bad_request', `"${this.at(unknown.slice(0, 80))}" is not a field of a pod`, {
      hint: near === undefined ? `known here: ${[...this.#known].join(', ')}` : `did you mean "${near}"?`,
    });
  }

  #take(name: string): unknown {
    this.#known.add(name);
    if (!Object.hasOwn(this.#value, name)) return undefined;
    return this.#value[name] ?? undefined;
  }

  #list(name: string): unknown[] | undefined {
    const value = this.#take(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw wrong(this.at(name), 'must be a list');
  }
}

export function wrong(path: string, reason: string, hint?: string): AppError {
  return new AppError('bad_request', `"${path}" ${reason}`, hint === undefined ? {} : { hint });
}

function checkText(value: unknown, path: string): string {
  if (typeof value !== 'string')
    throw wrong(path, 'must be a text', 'put a number or a word like true in quotes');
  if (value.includes('\0')) throw wrong(path, 'holds a NUL character');
  if (value.length > maxTextLength) throw wrong(path, `is longer than ${maxTextLength} characters`);
  return value;
}
