// `--chmod`: octal, or symbolic as chmod(1) has it (`u=rwX,go=rX`, `+x`). Pure.
import { AppError } from '@berth/kit/errors.ts';

export type ModeChange = (mode: number, isFolder: boolean) => number;

const shifts: Record<string, number> = { u: 6, g: 3, o: 0 };
const bits: Record<string, number> = { r: 4, w: 2, x: 1 };

export function parseMode(text: string): ModeChange {
  if (/^[0-7]{1,4}$/.test(text)) {
    const fixed = Number.parseInt(text, 8);
    return () => fixed;
  }
  const clauses = text.split(',').map((clause) => /^([ugoa]*)([+=-])([rwxXst]*|[ugo])$/.exec(clause));
  if (text.length > 200 || clauses.some((clause) => clause === null))
    throw new AppError('bad_request', `"${text.slice(0, 80)}" is no mode for --chmod`, {
      hint: 'write 755 or u=rwX,go=rX',
    });
  return (mode, isFolder) =>
    clauses.reduce((now, clause) => applyClause(now, clause ?? [], isFolder, mode), mode);
}

function applyClause(
  mode: number,
  clause: (string | undefined)[],
  isFolder: boolean,
  before: number,
): number {
  const [, whoText = '', operator, what = ''] = clause;
  const who = whoText === '' || whoText.includes('a') ? 'ugo' : whoText;
  let now = mode;
  for (const one of new Set(who)) {
    const shift = shifts[one] ?? 0;
    const asked = permissions(what, now, isFolder, before) << shift;
    if (operator === '+') now |= asked;
    else if (operator === '-') now &= ~asked;
    else now = (now & ~(7 << shift)) | asked;
  }
  const special =
    (what.includes('s') ? (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0) : 0) |
    (what.includes('t') ? 0o1000 : 0);
  return operator === '-' ? now & ~special : now | special;
}

function permissions(what: string, now: number, isFolder: boolean, before: number): number {
  const from = shifts[what];
  if (from !== undefined) return (now >> from) & 7;
  let sum = 0;
  for (const one of what) {
    if (one === 'X') sum |= isFolder || (before & 0o111) !== 0 ? 1 : 0;
    else sum |= bits[one] ?? 0;
  }
  return sum;
}
