// What an image is made of, as found: components by their reference, who needs whom, and what could not be read. Filled by the readers of lock
// files and of the image, shown by make-sbom.ts. Two findings of one thing are one component.

export interface Hash {
  alg: 'MD5' | 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';
  /** Lower-case hex. */
  content: string;
}

export interface Component {
  type: 'library' | 'framework' | 'application' | 'platform' | 'operating-system';
  /** Before the name where an ecosystem has such a thing: npm's scope, Maven's group. */
  group?: string;
  name: string;
  version: string;
  /** Undefined for what no registry has: a member of a workspace. */
  purl?: string;
  hashes?: Hash[];
  /** optional: may be missing in the image. excluded: only helped to make it. Absent: required. */
  scope?: 'optional' | 'excluded';
  /** Archives that the lock file allows for it, by file name. */
  archives?: { name: string; hashes: Hash[] }[];
  properties?: Record<string, string>;
}

/** Far more than the largest apps have; a lock file beyond it is no lock file. */
const maxComponents = 50_000;

export class Inventory {
  readonly #components = new Map<string, Component>();
  readonly #needs = new Map<string, Set<string>>();
  /** What the app itself asks for. */
  readonly direct = new Set<string>();
  /** What is not in the list although it may be in the image: one sentence each. */
  readonly notes: string[] = [];

  /** Its reference. */
  add(component: Component): string {
    const ref = refOf(component);
    const before = this.#components.get(ref);
    if (before) this.#components.set(ref, merged(before, component));
    else if (this.#components.size < maxComponents) this.#components.set(ref, component);
    else if (this.#components.size === maxComponents) this.#note(`more than ${maxComponents} components`);
    return ref;
  }

  needs(ref: string, needed: string): void {
    if (ref === needed) return;
    const known = this.#needs.get(ref) ?? new Set();
    known.add(needed);
    this.#needs.set(ref, known);
  }

  has(ref: string): boolean {
    return this.#components.has(ref);
  }

  get components(): ReadonlyMap<string, Component> {
    return this.#components;
  }

  needsOf(ref: string): string[] {
    return [...(this.#needs.get(ref) ?? [])].filter((needed) => this.has(needed)).sort();
  }

  #note(note: string): void {
    if (!this.notes.includes(note)) this.notes.push(note);
  }
}

export function refOf({ purl, group, name, version }: Component): string {
  return purl ?? `own:${group === undefined ? '' : `${group}/`}${name}@${version}`;
}

/** Required by one is required; hashes and archives add up. */
function merged(one: Component, other: Component): Component {
  const { scope: _, ...rest } = { ...one, ...other };
  const scope = one.scope === other.scope ? one.scope : weaker(one.scope, other.scope);
  const hashes = unique(
    [...(one.hashes ?? []), ...(other.hashes ?? [])],
    ({ alg, content }) => alg + content,
  );
  const archives = unique([...(one.archives ?? []), ...(other.archives ?? [])], ({ name }) => name);
  return {
    ...rest,
    ...(scope === undefined ? {} : { scope }),
    ...(hashes.length === 0 ? {} : { hashes }),
    ...(archives.length === 0 ? {} : { archives }),
  };
}

function weaker(one: Component['scope'], other: Component['scope']): Component['scope'] {
  return one === undefined || other === undefined ? undefined : 'optional';
}

function unique<T>(values: readonly T[], key: (value: T) => string): T[] {
  return [...new Map(values.map((value) => [key(value), value])).values()];
}
