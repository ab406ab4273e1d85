// .slugignore: what of the pushed tree a classic buildpack never sees. Pure; called once a build by build-with-buildpacks.ts.
// Reads the file as Heroku's slug compiler does: a pattern with a slash begins at the root, one without matches in every folder; no "!".
import { matchesName, matchesPath } from '@berth/kit/match-path.ts';

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
    return (parts) => matchesShown(name, parts.at(-1) ?? '');
  }
  return (parts) => matchesPath(wanted, parts, matchesShown);
}

/** As a shell reads it: a star at the beginning does not match hidden files. */
function matchesShown(glob: string, name: string): boolean {
  return !(name.startsWith('.') && /^[*?[]/.test(glob)) && matchesName(glob, name);
}
