// Which files of a folder are not deployed: .gitignore and .berthignore, nested, in gitignore's language. Pure; used by list-folder.ts.
// .slugignore and .dockerignore are the build's, as for a push: the same folder gives the same tree either way.

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

/** `**` stands for any number of folders; as the last segment for everything below. Bounded: segments times parts. */
function matchesPath(segments: readonly string[], parts: readonly string[]): boolean {
  let reach = [true, ...parts.map(() => false)];
  for (const [index, segment] of segments.entries()) {
    const next = reach.map(() => false);
    const isLast = index === segments.length - 1;
    for (let at = 0; at <= parts.length; at++) {
      if (segment === '**')
        next[at] =
          (!isLast && (reach[at] ?? false)) ||
          (at > 0 && ((next[at - 1] ?? false) || (reach[at - 1] ?? false)));
      else if (at > 0) next[at] = (reach[at - 1] ?? false) && matchesName(segment, parts[at - 1] ?? '');
    }
    reach = next;
  }
  return reach[parts.length] ?? false;
}

/** `*`, `?`, `[…]` and backslashes, without a regular expression; on a mismatch only the last star takes one more. */
export function matchesName(glob: string, name: string): boolean {
  let [at, from] = [0, 0];
  let [star, retry] = [-1, 0];
  while (from < name.length) {
    if (glob.charAt(at) === '*') {
      star = at++;
      retry = from;
      continue;
    }
    const step = at < glob.length ? stepOver(glob, at, name.charAt(from)) : 0;
    if (step > 0) {
      at += step;
      from++;
    } else if (star !== -1) {
      at = star + 1;
      from = ++retry;
    } else return false;
  }
  while (glob.charAt(at) === '*') at++;
  return at >= glob.length;
}

/** Characters of the glob that stand for this one, or 0. */
function stepOver(glob: string, at: number, char: string): number {
  const wanted = glob.charAt(at);
  if (wanted === '?') return 1;
  if (wanted === '\\') return glob.charAt(at + 1) === char ? 2 : 0;
  const end = wanted === '[' ? glob.indexOf(']', at + (/^[!^]/.test(glob.slice(at + 1)) ? 3 : 2)) : -1;
  if (end === -1) return wanted === char ? 1 : 0;
  return isInSet(glob.slice(at + 1, end), char) ? end - at + 1 : 0;
}

function isInSet(set: string, char: string): boolean {
  const isNegated = /^[!^]/.test(set);
  const members = isNegated ? set.slice(1) : set;
  let found = false;
  for (let at = 0; at < members.length; at++) {
    const isRange = members.charAt(at + 1) === '-' && at + 2 < members.length;
    const to = isRange ? members.charAt(at + 2) : members.charAt(at);
    if (char >= members.charAt(at) && char <= to) found = true;
    if (isRange) at += 2;
  }
  return found !== isNegated;
}
