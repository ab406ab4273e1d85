// Which files of a folder are not deployed: .gitignore and .berthignore, nested, in gitignore's language. Pure; used by list-folder.ts.
// .slugignore and .dockerignore are the build's, as for a push: the same folder gives the same tree either way.
import { matchesPath } from '@berth/kit/match-path.ts';

export interface IgnoreRule {
  segments: string[];
  isNegated: boolean;
  folderOnly: boolean;
  /** The folder whose file has it, as its names. */
  base: readonly string[];
}

/** Nobody writes more; each is tried on every path below its folder. */
const maxRules = 5000;

/** The rules of one file (gitignore(5)). */
export function readRules(text: string, base: readonly string[]): IgnoreRule[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .slice(0, maxRules)
    .flatMap((line) => ruleOf(line, base));
}

function ruleOf(line: string, base: readonly string[]): IgnoreRule[] {
  if (line.startsWith('#')) return [];
  // a space at the end counts only behind a backslash
  let pattern = line.replace(/(?<!\\)[ \t]+$/, '');
  const isNegated = pattern.startsWith('!');
  if (isNegated) pattern = pattern.slice(1);
  const folderOnly = pattern.endsWith('/');
  if (folderOnly) pattern = pattern.slice(0, -1);
  const isAnchored = pattern.includes('/');
  const segments = pattern.split('/').filter((segment, index) => segment !== '' || index > 0);
  if (segments.length === 0 || segments.every((segment) => segment === '')) return [];
  return [{ segments: isAnchored ? segments : ['**', ...segments], isNegated, folderOnly, base }];
}

/** Whether the last rule that matches leaves the path out. The folders above it are asked before: what is below an ignored one stays out. */
export function isIgnored(rules: readonly IgnoreRule[], path: readonly string[], isFolder: boolean): boolean {
  for (let index = rules.length - 1; index >= 0; index--) {
    const rule = rules[index];
    if (!rule || (rule.folderOnly && !isFolder)) continue;
    if (matchesPath(rule.segments, path.slice(rule.base.length))) return !rule.isNegated;
  }
  return false;
}
