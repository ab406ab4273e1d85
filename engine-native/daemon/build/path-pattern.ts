// Globs over paths, as .dockerignore, COPY and --exclude have them: `*`, `?`, `[a-z]`, `\x` within a component, `**` across them. Pure.
// Matching follows all states at once: its time grows with pattern times path, never with what an author thought up.
import { AppError } from '@berth/kit/errors.ts';

type Token =
  | { kind: 'char'; char: string }
  | { kind: 'one' }
  | { kind: 'class'; isNegated: boolean; ranges: [string, string][] }
  | { kind: 'star' }
  /** `**` at the end: anything. */
  | { kind: 'deep' }
  /** Before `**` and a slash: skips the next token, or enters it. */
  | { kind: 'fork' }
  /** Any components, up to and with a slash. */
  | { kind: 'folders' };

const maxLength = 4096;

export class PathPattern {
  readonly #tokens: Token[];

  constructor(pattern: string) {
    if (pattern.length > maxLength) throw malformed(pattern.slice(0, 80));
    this.#tokens = tokensOf(pattern);
  }

  matches(path: string): boolean {
    const tokens = this.#tokens;
    let states = this.#closure(new Set([0]));
    for (const char of path) {
      const next = new Set<number>();
      for (const state of states) step(tokens[state], state, char, next);
      if (next.size === 0) return false;
      states = this.#closure(next);
    }
    return states.has(tokens.length);
  }

  /** True for the path, or one of the folders it lies in. */
  matchesWithParents(path: string): boolean {
    for (let cut = path.indexOf('/'); cut >= 0; cut = path.indexOf('/', cut + 1))
      if (this.matches(path.slice(0, cut))) return true;
    return this.matches(path);
  }

  #closure(states: Set<number>): Set<number> {
    for (const state of states) {
      const kind = this.#tokens[state]?.kind;
      if (kind === 'star' || kind === 'deep') states.add(state + 1);
      if (kind === 'fork') states.add(state + 1).add(state + 2);
    }
    return states;
  }
}

export function hasWildcard(path: string): boolean {
  return /[*?[]/.test(path);
}

function step(token: Token | undefined, state: number, char: string, next: Set<number>): void {
  switch (token?.kind) {
    case 'char':
      if (token.char === char) next.add(state + 1);
      break;
    case 'one':
      if (char !== '/') next.add(state + 1);
      break;
    case 'class':
      if (char !== '/' && token.ranges.some(([low, high]) => low <= char && char <= high) !== token.isNegated)
        next.add(state + 1);
      break;
    case 'star':
      if (char !== '/') next.add(state);
      break;
    case 'deep':
      next.add(state);
      break;
    case 'folders':
      next.add(state);
      if (char === '/') next.add(state + 1);
      break;
    case 'fork':
    case undefined:
  }
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*' && chars[at + 1] === '*') {
      while (chars[at + 1] === '*') at++;
      if (chars[at + 1] === '/') {
        tokens.push({ kind: 'fork' }, { kind: 'folders' });
        at++;
      } else tokens.push({ kind: 'deep' });
    } else if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'one' });
    else if (char === '[') at = classAt(chars, at, tokens, pattern);
    else if (char === '\\') {
      if (at + 1 >= chars.length) throw malformed(pattern);
      tokens.push({ kind: 'char', char: chars[++at] ?? '' });
    } else tokens.push({ kind: 'char', char });
  }
  return tokens;
}

/** Returns where the class ends. */
function classAt(chars: string[], from: number, tokens: Token[], pattern: string): number {
  const ranges: [string, string][] = [];
  let at = from + 1;
  const isNegated = chars[at] === '^' || chars[at] === '!';
  if (isNegated) at++;
  const take = () => {
    if (chars[at] === '\\') at++;
    const char = chars[at++];
    if (char === undefined) throw malformed(pattern);
    return char;
  };
  do {
    const low = take();
    const isRange = chars[at] === '-' && chars[at + 1] !== ']';
    if (isRange) at++;
    ranges.push([low, isRange ? take() : low]);
  } while (chars[at] !== ']');
  tokens.push({ kind: 'class', isNegated, ranges });
  return at;
}

function malformed(pattern: string): AppError {
  return new AppError('bad_request', `"${pattern}" is not a pattern`, {
    hint: 'write *, ?, [a-z] or **, and \\ before a character that stands for itself',
  });
}
