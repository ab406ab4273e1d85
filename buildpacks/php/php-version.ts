// Which PHP an app gets: does the stack's satisfy what composer.json asks for? Used by facts.ts. Pure.
import { AppError } from '@berth/kit/errors.ts';
import semver from 'semver';

/** The line is fixed for the life of the suite; its updates raise the last number. */
export const stackPhp = { line: '8.4', least: '8.4.24' };
/** Later than any update: `>=8.4.30` is the update's to satisfy. */
const newestOfLine = '8.4.999';

/** `wish` as Composer writes it; undefined: nobody asked. Throws where the stack's PHP will not do. */
export function checkPhpVersion(wish: { raw: string; from: string } | undefined): void {
  if (wish === undefined) return;
  const range = toSemver(wish.raw);
  if (range === undefined)
    throw new AppError('invalid', `"${wish.raw.slice(0, 60)}" in ${wish.from} is not a PHP version`, {
      hint: `write a range, for example "^${stackPhp.line}"`,
    });
  if (semver.satisfies(stackPhp.least, range) || semver.satisfies(newestOfLine, range)) return;
  throw new AppError('invalid', `there is no PHP "${wish.raw}" (${wish.from})`, {
    hint: `nearest: ${stackPhp.line}; a range like "^8.2" lets the app run on it`,
  });
}

/** Composer's ranges: `~8.2` goes up to 9, `|` is `||`, a comma is "and". An exact version is taken as its line: patches replace each other. */
export function toSemver(text: string): string | undefined {
  if (text.length > 200) return undefined;
  const alternatives = text.split(/\s*\|\|?\s*/).map((alternative) =>
    alternative
      .replaceAll(/@\w+/g, '')
      .replaceAll(/-(?:dev|stable)\b/g, '')
      .replaceAll(',', ' ')
      .replaceAll(/(?<=[<>=~^!])\s+/g, '')
      .trim()
      .split(/\s+(?!-\s)(?<!-\s)/)
      .map(toClause)
      .join(' '),
  );
  const range = alternatives.join(' || ');
  return semver.validRange(range) === null ? undefined : range;
}

function toClause(clause: string): string {
  const tilde = /^~v?(\d+)(?:\.(\d+))?$/.exec(clause);
  if (tilde) return `>=${tilde[1]}.${tilde[2] ?? 0}.0 <${Number(tilde[1]) + 1}.0.0-0`;
  const exact = /^=?v?(\d+\.\d+)\.\d+(?:\.\d+)?$/.exec(clause);
  if (exact) return `${exact[1]}.x`;
  return clause.replace(/^!=.*/, '*');
}
