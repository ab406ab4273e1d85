// .slugignore: what of the pushed tree a classic buildpack never sees. Pure; called once a build by build-with-buildpacks.ts.
// Reads the file as Heroku's slug compiler does: a pattern with a slash begins at the root, one without matches in every folder; no "!".

/** True for the paths that are left out; a folder that matches takes everything below it along. */
export function slugIgnore(text: string): (path: string) => boolean {
  const patterns = text
    .split(/\r\n|\r|\n/)
    .map((line) => (line.split('#', 1)[0] ?? '').trim())
    .filter((line) => line !== '')
    .slice(0, maxPatterns)
    .map(pattern);
  return (path) => {
    const parts = path.split('/');
    return patterns.some((matches) => parts.some((_, index) => matches(parts.slice(0, index + 1))));
  };
}

/** Nobody writes more; each is tried on every path. */
const maxPatterns = 1000;

function pattern(line: string): (parts: readonly string[]) => boolean {
  const wanted = line.split('/').filter((part) => part !== '' && part !== '.');
  if (!line.includes('/')) {
    const [name = ''] = wanted;
    return (parts) => matchesName(name, parts.at(-1) ?? '');
  }
  return (parts) => matchesPath(wanted, parts);
}

/** `**` stands for any folders, also none. */
function matchesPath(wanted: readonly string[], parts: readonly string[]): boolean {
  const [first, ...rest] = wanted;
  if (first === undefined) return parts.length === 0;
  if (first === '**')
    return matchesPath(rest, parts) || (parts.length > 0 && matchesPath(wanted, parts.slice(1)));
  const [part, ...below] = parts;
  return part !== undefined && matchesName(first, part) && matchesPath(rest, below);
}

/** `*`, `?` and `[…]` as a shell reads them, without a regular expression that a pushed pattern could make slow. */
function matchesName(glob: string, name: string): boolean {
  // A star at the beginning does not match hidden files.
  if (name.startsWith('.') && /^[*?[]/.test(glob)) return false;
  let [at, from] = [0, 0];
  let [star, retry] = [-1, 0];
  while (from < name.length) {
    const step = at < glob.length ? matchOne(glob, at, name.charAt(from)) : 0;
    if (glob.charAt(at) === '*') {
      star = at++;
      retry = from;
    } else if (step > 0) {
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
function matchOne(glob: string, at: number, char: string): number {
  const wanted = glob.charAt(at);
  if (wanted === '?') return 1;
  if (wanted === '\\' && at + 1 < glob.length) return glob.charAt(at + 1) === char ? 2 : 0;
  const end = wanted === '[' ? glob.indexOf(']', at + 2) : -1;
  if (end === -1) return wanted === char ? 1 : 0;
  return inSet(glob.slice(at + 1, end), char) ? end - at + 1 : 0;
}

function inSet(set: string, char: string): boolean {
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
