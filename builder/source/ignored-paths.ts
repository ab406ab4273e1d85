// Which paths a list of patterns leaves out, in the language of .slugignore: gitignore's, without negation. Pure.
// Patterns are hostile: matching takes no more steps than pattern times path.

/** `/a` is at the root only, `a/` is a folder, `a` is found at any depth; `*`, `?` and `**` as in gitignore. */
export function ignoredBy(patterns: readonly string[]): (path: string) => boolean {
  const rules = patterns
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '' && !pattern.startsWith('#'))
    .map(ruleOf);
  return (path) => {
    const parts = path.split('/');
    // A folder that is left out takes everything in it along.
    return rules.some(({ segments, folderOnly }) =>
      parts.some((_, index) => {
        const isFolder = index < parts.length - 1;
        return (isFolder || !folderOnly) && matchPath(segments, parts.slice(0, index + 1));
      }),
    );
  };
}

function ruleOf(pattern: string): { segments: string[]; folderOnly: boolean } {
  const folderOnly = pattern.endsWith('/');
  const segments = pattern.replace(/\/+$/, '').split('/');
  if (segments[0] === '') segments.shift();
  else if (segments.length === 1) segments.unshift('**');
  return { segments, folderOnly };
}

/** Whether the whole path matches; `**` stands for any number of folders. */
function matchPath(segments: readonly string[], parts: readonly string[]): boolean {
  // reach[i]: the segments so far match the first i parts.
  let reach = [true, ...parts.map(() => false)];
  for (const segment of segments) {
    const next = reach.map(() => false);
    for (let i = 0; i <= parts.length; i++) {
      if (segment === '**') next[i] = (reach[i] ?? false) || (i > 0 && (next[i - 1] ?? false));
      else if (i > 0) next[i] = (reach[i - 1] ?? false) && matchName(segment, parts[i - 1] ?? '');
    }
    reach = next;
  }
  return reach[parts.length] ?? false;
}

/** `*` and `?` within a name; on a mismatch only the last `*` takes one more, so the time is bounded. */
function matchName(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let from = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      from = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star !== -1) {
      p = star + 1;
      n = ++from;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
