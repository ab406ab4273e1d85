// Hides config vars' values in what a build prints. Used by build-log.ts on every line before it leaves the process.

/** Shorter values ("true", "5000") stand in ordinary text all the time and hide nothing. */
const minLength = 8;
const mask = '********';

/** Config vars that the builder itself reads and repeats: a folder, a list of buildpacks (but with a login in it). */
const open = new Set(['PROJECT_PATH', 'APP_BASE', 'BUILDPACK_URL']);

/** A function that replaces each value, and each long line of a value that has several. */
export function secretMasker(vars: Readonly<Record<string, string>>): (text: string) => string {
  const values = new Set<string>();
  for (const [name, value] of Object.entries(vars)) {
    const isOpen = open.has(name) && !value.includes('@');
    for (const line of [value, ...value.split('\n')])
      if (!isOpen && line.trim().length >= minLength) values.add(line.trim());
  }
  if (values.size === 0) return (text) => text;
  // The longest first: a value may contain another one.
  const patterns = [...values]
    .sort((a, b) => b.length - a.length)
    .map((value) => value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const pattern = new RegExp(patterns.join('|'), 'g');
  return (text) => text.replace(pattern, mask);
}
