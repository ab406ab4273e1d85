// Patterns of paths as gitignore(5) writes them, matched in bounded time: they come from people's trees. Pure; used for .gitignore and .slugignore.

/** `**` stands for any number of folders; as the last segment for everything below. Bounded: segments times parts. */
export function matchesPath(
  segments: readonly string[],
  parts: readonly string[],
  matches: (glob: string, name: string) => boolean = matchesName,
): boolean {
  let reach = [true, ...parts.map(() => false)];
  for (const [index, segment] of segments.entries()) {
    const next = reach.map(() => false);
    const isLast = index === segments.length - 1;
    for (let at = 0; at <= parts.length; at++) {
      if (segment === '**')
        next[at] =
          (!isLast && (reach[at] ?? false)) ||
          (at > 0 && ((next[at - 1] ?? false) || (reach[at - 1] ?? false)));
      else if (at > 0) next[at] = (reach[at - 1] ?? false) && matches(segment, parts[at - 1] ?? '');
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
