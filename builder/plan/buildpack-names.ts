// A list of buildpacks as somebody wrote it (on the app, in berth.toml, .buildpacks, app.json, BUILDPACK_URL): read and checked.
// Used by choose-drivers.ts. Every mistake names the entry and where it stands.
import { buildpackNames, maxBuildpacks, readBuildpack } from '@berth/contract/buildpack-names.ts';
import { AppError } from '@berth/kit/errors.ts';
import { closest } from '@berth/kit/suggest.ts';

/** drivers: names of our own, in order. classic: at least one entry is not ours, so that the whole list runs as Heroku runs it. */
export type BuildpackList = { kind: 'drivers'; names: string[] } | { kind: 'classic'; buildpacks: string[] };

export function readBuildpackList(entries: readonly string[], from: string): BuildpackList {
  if (entries.length > maxBuildpacks)
    throw new AppError('invalid', `${from} lists ${entries.length} buildpacks`, {
      hint: `an app has at most ${maxBuildpacks}`,
    });
  const names: string[] = [];
  let isClassic = false;
  for (const [index, entry] of entries.entries()) {
    const read = readBuildpack(entry);
    if (read.kind === 'wrong') throw wrongEntry(entry, read.why, from);
    if (read.kind === 'classic') isClassic = true;
    else if (names.includes(read.driver) && !isClassic)
      throw new AppError('invalid', `${from} lists "${entry}" twice`, {
        hint: `take entry ${index + 1} out`,
      });
    else names.push(read.driver);
  }
  return isClassic ? { kind: 'classic', buildpacks: [...entries] } : { kind: 'drivers', names };
}

function wrongEntry(entry: string, why: string, from: string): AppError {
  const guess = closest(entry, buildpackNames);
  // A login must not get into the log either.
  const shown = entry.slice(0, 100).replace(/\/\/[^/]*@/, '//…@');
  return new AppError('invalid', `${from}: "${shown}" ${why}`, {
    hint:
      guess === undefined
        ? 'a git URL, an archive (.tgz), a folder of the tree, or a name'
        : `did you mean "${guess}"?`,
  });
}

/** The file `.buildpacks`: one entry a line; empty lines and `#` lines are skipped, any line end. */
export function parseBuildpacksFile(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
