// Hides config vars' values in what a build prints. Used by build-log.ts on every line before it leaves the process.

/** Shorter values ("true", "5000") stand in ordinary text all the time and hide nothing. */
const minLength = 8;
const mask = '********';

/** Config vars that the builder itself reads and repeats: a folder, a list of buildpacks (but with a login in it). */
const open = new Set(['PROJECT_PATH', 'APP_BASE', 'BUILDPACK_URL']);

/** Words that config vars often have for a value and that stand in every build's log: who hides them hides the log. */
const ordinary =
  /^(production|development|testing|staging|preview|sandbox|localhost|disabled|enabled|verbose|warning|critical|postgres(ql)?|standalone|memcached|sendgrid|en_US\.UTF-8|us-(east|west)-\d|eu-(west|north|central|south)-\d)$/i;
/** Names whose value says how to build or run, as long as it is a plain word: no secret lies in LOG_LEVEL. */
const openName = /(^|_)(ENV|ENVIRONMENT|MODE|LEVEL|REGION|LANG|TZ|LOCALE|STAGE)$/i;

/** The config vars whose values are secrets, or may be. */
export function secretVars(vars: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(vars).filter(([name, value]) => !isOpen(name, value)));
}

function isOpen(name: string, value: string): boolean {
  if (open.has(name)) return !value.includes('@');
  return ordinary.test(value) || (openName.test(name) && /^[a-z][a-z_-]{0,15}$/i.test(value));
}

/** A function that replaces each value that must not be shown. */
export function secretMasker(vars: Readonly<Record<string, string>>): (text: string) => string {
  const values = new Set<string>();
  for (const value of Object.values(secretVars(vars)))
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
