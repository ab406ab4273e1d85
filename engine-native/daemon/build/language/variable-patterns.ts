// `${x#pattern}`, `${x%pattern}`, `${x/pattern/text}`: shell globs of `*`, `?` and `\` against a variable's value. Pure.
// Work is counted: a pattern made to match slowly ends in an error, not in a daemon that stands still.
import { AppError } from '@berth/kit/errors.ts';

const maxSteps = 2_000_000;

type Token = { any: true } | { one: true } | { char: string };

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === '*') {
      if (!isAny(tokens.at(-1))) tokens.push({ any: true });
    } else if (char === '?') tokens.push({ one: true });
    else if (char === '\\' && at + 1 < pattern.length) tokens.push({ char: pattern.charAt(++at) });
    else tokens.push({ char });
  }
  return tokens;
}

function isAny(token: Token | undefined): boolean {
  return token !== undefined && 'any' in token;
}

/** Ends of all matches of the pattern that begin at `from`, as a set of positions kept in one pass. */
function matchEnds(
  tokens: Token[],
  value: string,
  from: number,
  work = { steps: 0 },
): { first: number; last: number } | undefined {
  let states = closure(new Set([0]), tokens);
  let first = -1;
  let last = -1;
  for (let at = from; ; at++) {
    if (states.has(tokens.length)) {
      if (first < 0) first = at;
      last = at;
    }
    if (at >= value.length || states.size === 0) break;
    work.steps += states.size;
    if (work.steps > maxSteps)
      throw new AppError('bad_request', 'a pattern of a variable takes too long to match');
    states = closure(step(states, tokens, value.charAt(at)), tokens);
  }
  return first < 0 ? undefined : { first, last };
}

function step(states: Set<number>, tokens: Token[], char: string): Set<number> {
  const next = new Set<number>();
  for (const state of states) {
    const token = tokens[state];
    if (!token) continue;
    if ('any' in token) next.add(state);
    else if ('one' in token || token.char === char) next.add(state + 1);
  }
  return next;
}

function closure(states: Set<number>, tokens: Token[]): Set<number> {
  for (const state of states) if (isAny(tokens[state])) states.add(state + 1);
  return states;
}

/** Takes the shortest (or longest) match off one side. */
export function trimPattern(value: string, pattern: string, side: 'start' | 'end', greedy: boolean): string {
  const tokens = tokensOf(side === 'start' ? pattern : reversedPattern(pattern));
  const text = side === 'start' ? value : reversed(value);
  const ends = matchEnds(tokens, text, 0);
  if (!ends) return value;
  const rest = text.slice(greedy ? ends.last : ends.first);
  return side === 'start' ? rest : reversed(rest);
}

export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const tokens = tokensOf(pattern);
  let out = '';
  const work = { steps: 0 };
  let at = 0;
  while (at < value.length) {
    const ends = matchEnds(tokens, value, at, work);
    if (ends && ends.last > at) {
      out += replacement;
      at = ends.last;
      if (!all) break;
    } else out += value.charAt(at++);
  }
  return out + value.slice(at);
}

function reversed(text: string): string {
  return [...text].reverse().join('');
}

function reversedPattern(pattern: string): string {
  return (
    pattern
      .match(/\\[\s\S]|[\s\S]/gu)
      ?.reverse()
      .join('') ?? ''
  );
}
