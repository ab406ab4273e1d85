// Small files that must be there after a power loss, written without making other requests wait for the disk. Called by the registry.
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createFolder, syncFolder } from '../content/blob-folders.ts';

/** A reader sees the old file or the new one. The temporary name ends with `.tmp-<hex>`: a listing can tell it. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await createFolder(dirname(path));
  const temporary = `${path}.tmp-${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }); // on a full disk above all
    throw error;
  }
  await syncFolder(dirname(path));
}
