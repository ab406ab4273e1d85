// Makes the key that config vars are encrypted with, once, when the data folder is new. Must never replace or print one.
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export function ensureKeyFile(dataDir: string): void {
  const path = join(dataDir, 'keys/config.key');
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flush: true });
  // A link fails when the key is there meanwhile: two starts at once must not leave data under a lost key.
  try {
    linkSync(temporary, path);
  } finally {
    rmSync(temporary);
  }
}
