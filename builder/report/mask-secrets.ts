// Hides config vars' values in what a build prints. Used by build-log.ts on every line before it leaves the process.

/** Shorter values ("true", "5000") stand in ordinary text all the time and hide nothing. */
const minLength = 8;
const mask = '********';

/** A function that replaces each value, and each long line of a value that has several. */
export function secretMasker(vars: Readonly<Record<string, string>>): (text: string) => string {
  const values = new Set<string>();
  for (const value of Object.values(vars))
    for (const line of [value, ...value.split('\n')])
      if (line.trim().length >= minLength) values.add(line.trim());
  if (values.size === 0) return (text) => text;
  // The longest first: a value may contain another one.
  const patterns = [...values]
    .sort((a, b) => b.length - a.length)
    .map((value) => value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const pattern = new RegExp(patterns.join('|'), 'g');
  return (text) => text.replace(pattern, mask);
}
