// Folders of the blob store: made and synced, so that a file renamed into one is there after a power loss. Called by the folder store.
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function createFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined) await syncFolder(dirname(made));
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
