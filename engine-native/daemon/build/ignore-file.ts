// .dockerignore: which paths of a context do not exist for a build. The last line that matches decides. Pure.
// https://docs.docker.com/build/concepts/context/#dockerignore-files
import { PathPattern } from './path-pattern.ts';

interface Rule {
  pattern: PathPattern;
  /** `!`: takes back in. */
  isException: boolean;
}

const maxRules = 5_000;

export class IgnoreRules {
  readonly #rules: Rule[];

  constructor(text: string) {
    this.#rules = text
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
      .slice(0, maxRules)
      .flatMap(ruleOf);
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  get hasExceptions(): boolean {
    return this.#rules.some(({ isException }) => isException);
  }

  /** `path`: relative, without a slash at either end. */
  ignores(path: string): boolean {
    if (path === '') return false;
    const deciding = this.#rules.findLast(({ pattern }) => pattern.matchesWithParents(path));
    return deciding !== undefined && !deciding.isException;
  }
}

function ruleOf(line: string): Rule[] {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return [];
  const isException = text.startsWith('!');
  const path = cleaned(isException ? text.slice(1).trim() : text);
  if (path === '') return [];
  // "." would be the whole context, which nothing can take back in: Docker ignores such a line too.
  return path === '.' ? [] : [{ pattern: new PathPattern(path), isException }];
}

function cleaned(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.length === 0 ? '.' : parts.join('/');
}
