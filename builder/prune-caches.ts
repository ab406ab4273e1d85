// Keeps the caches of apps' package managers within their quota: those of the app that was built longest ago go first, whole. Called by prune-images.ts,
// while no build runs. Losing a cache costs the app's next build time, nothing else.
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** An app that nobody pushes any more, or that was destroyed. */
const unusedForMs = 30 * 24 * 60 * 60_000;

export interface CacheQuota {
  /** One folder an app lies below it. */
  dir: string;
  bytes: number;
  now?: number;
}

/** The apps (ids) whose caches were removed. */
export async function pruneCaches({ dir, bytes, now = Date.now() }: CacheQuota): Promise<string[]> {
  const names = await readdir(dir).catch(() => []); // nothing was built yet
  const caches = await Promise.all(names.map((name) => lookAt(dir, name)));
  caches.sort((a, b) => b.usedAt - a.usedAt);
  const removed: string[] = [];
  let kept = 0;
  for (const cache of caches) {
    kept += cache.bytes;
    if (kept <= bytes && now - cache.usedAt < unusedForMs) continue;
    kept -= cache.bytes;
    await rm(join(dir, cache.name), { recursive: true, force: true });
    removed.push(cache.name);
  }
  return removed;
}

/** Each build makes and removes its marks in `.in-use`, or makes the folder. */
async function lookAt(dir: string, name: string): Promise<{ name: string; bytes: number; usedAt: number }> {
  const folder = join(dir, name);
  const marks = await stat(join(folder, '.in-use')).catch(() => stat(folder));
  return { name, bytes: await sizeOf(folder), usedAt: marks.mtimeMs };
}

/** What the files take on disk, links not followed; one after another, since nobody waits. */
async function sizeOf(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    bytes += entry.isDirectory() ? await sizeOf(inner) : (await lstat(inner)).blocks * 512;
  }
  return bytes;
}
