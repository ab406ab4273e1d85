// The buildpacks of tests/fixtures/buildpacks, as files of a tree or as a folder. Used by the tests of classic buildpacks.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const buildpackFolder = new URL('../fixtures/buildpacks/', import.meta.url).pathname;

/** The named buildpacks below `folder` of a tree. */
export function buildpackFiles(names: readonly string[], folder = 'buildpacks'): Record<string, Buffer> {
  const files = names.flatMap((name) =>
    readdirSync(join(buildpackFolder, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return Object.fromEntries(
    files.map((file) => [`${folder}/${file.slice(buildpackFolder.length)}`, readFileSync(file)]),
  );
}
