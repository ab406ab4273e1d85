// A fixture app (a folder below tests/fixtures/apps) as files for the workbench. Used by the builder's tests.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every file of the folder by its path. A file named `dot-x` stands for `.x`, so that tools of this repository do not read it. */
export function fixture(name: string): Record<string, Buffer> {
  const folder = new URL(`../fixtures/apps/${name}/`, import.meta.url).pathname;
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    files.map((file) => [
      file
        .slice(folder.length)
        .split('/')
        .map((part) => part.replace(/^dot-/, '.'))
        .join('/'),
      readFileSync(file),
    ]),
  );
}
