// Debian's list of installed packages (/var/lib/dpkg/status) as data, and what a set of packages needs at run time. Pure.
// Used by split-stack.ts and by what shows a stack's packages.

export interface DebianPackage {
  name: string;
  version: string;
  /** The package's paragraph, as it stands in the list. */
  text: string;
  /** Each group is satisfied by any of its names (Depends and Pre-Depends). */
  depends: string[][];
  provides: string[];
}

export function parseStatus(text: string): Map<string, DebianPackage> {
  const packages = new Map<string, DebianPackage>();
  for (const paragraph of text.split(/\n\n+/)) {
    const fields = fieldsOf(paragraph);
    const name = fields.get('Package');
    const version = fields.get('Version');
    if (name === undefined || version === undefined) continue;
    if (!/ installed$/.test(fields.get('Status') ?? '')) continue;
    packages.set(name, {
      name,
      version,
      text: paragraph.trim(),
      depends: groupsOf([fields.get('Pre-Depends'), fields.get('Depends')]),
      provides: groupsOf([fields.get('Provides')]).flat(),
    });
  }
  return packages;
}

/** First lines are enough: names and relations are never folded by dpkg. */
function fieldsOf(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of paragraph.split('\n')) {
    const field = /^([A-Za-z-]+): (.*)$/.exec(line);
    if (field) fields.set(field[1] ?? '', field[2] ?? '');
  }
  return fields;
}

/** "a (>= 1), b:any | c" → [[a], [b, c]] */
function groupsOf(values: readonly (string | undefined)[]): string[][] {
  const groups = values.flatMap((value) => value?.split(',') ?? []);
  return groups
    .map((group) => group.split('|').map((one) => one.trim().replace(/[:( ].*$/, '')))
    .map((group) => group.filter((name) => name !== ''))
    .filter((group) => group.length > 0);
}

/**
 * The packages that `roots` need, themselves included. What only maintainer scripts need (`never`: dpkg, debconf…) is not followed.
 * A root that is not installed is an error of the recipe: it is named in `missing`.
 */
export function runtimeClosure(
  packages: ReadonlyMap<string, DebianPackage>,
  roots: readonly string[],
  never: ReadonlySet<string>,
): { names: Set<string>; missing: string[] } {
  const providers = providersOf(packages);
  const names = new Set<string>();
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (names.has(name) || never.has(name)) continue;
    const found = packages.get(name);
    if (!found) continue;
    names.add(name);
    for (const group of found.depends) {
      if (group.some((one) => names.has(one) || never.has(one))) continue;
      const installed = group.flatMap((one) => (packages.has(one) ? [one] : (providers.get(one) ?? [])));
      waiting.push(...installed.slice(0, 1));
    }
  }
  return { names, missing: roots.filter((root) => !packages.has(root)) };
}

function providersOf(packages: ReadonlyMap<string, DebianPackage>): Map<string, string[]> {
  const providers = new Map<string, string[]>();
  for (const { name, provides } of packages.values())
    for (const virtual of provides) providers.set(virtual, [...(providers.get(virtual) ?? []), name]);
  return providers;
}

/** The list again, in the order of names: the same packages give the same text. */
export function formatStatus(packages: Iterable<DebianPackage>): string {
  const sorted = [...packages].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ text }) => `${text}\n\n`).join('');
}
