// What git in a build container is told: mirrors of the operator. A file at /etc/gitconfig, because buildpacks run without any GIT_ variable.
// Written when a build needs it; the same settings write the same file.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Pure. The settings were checked when they were read: nothing in them needs quoting. */
export function gitConfig(insteadOf: Readonly<Record<string, string>>): string {
  const mirrors = Object.entries(insteadOf).map(([from, to]) => `[url "${to}"]\n\tinsteadOf = ${from}\n`);
  // Repositories in the operator's folders belong to somebody else than the build's user. A server that sends nothing ends the fetch.
  return `[safe]\n\tdirectory = *\n[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n${mirrors.join('')}`;
}

/** The binds of a container that fetches: git's settings, and the operator's folders as they are on the host. */
export function gitBinds(config: {
  dataDir: string;
  buildpackFolders: readonly string[];
  gitInsteadOf: Readonly<Record<string, string>>;
}): string[] {
  const file = join(config.dataDir, 'gitconfig');
  mkdirSync(config.dataDir, { recursive: true, mode: 0o711 });
  writeFileSync(`${file}.tmp`, gitConfig(config.gitInsteadOf), { mode: 0o644 });
  renameSync(`${file}.tmp`, file);
  return [`${file}:/etc/gitconfig:ro`, ...config.buildpackFolders.map((folder) => `${folder}:${folder}:ro`)];
}
