// Writes the first login where `berth` looks for it: ~/.config/berth/credentials.json of root and of the user who called sudo.
// Called by `up` after the controller has made its admin token. Must keep the logins to other servers and never print a token.
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callerHomes, type Platform } from './config.ts';
import { findUser } from './system-user.ts';

interface Credentials {
  servers: Record<string, { token: string; user: string }>;
  default?: string;
}

export function saveLogin(platform: Platform): void {
  const tokenFile = join(platform.dataDir, 'admin-token');
  if (!existsSync(tokenFile)) return;
  const token = readFileSync(tokenFile, 'utf8').trim();
  const { home, sudoUser } = callerHomes();
  const homes = new Set([home, sudoUser ? findUser(sudoUser)?.home : undefined]);
  for (const one of homes) if (one && existsSync(one)) writeLogin(one, platform.apiUrl, token);
}

function writeLogin(home: string, server: string, token: string): void {
  const folder = join(home, '.config/berth');
  const path = join(folder, 'credentials.json');
  const before = readCredentials(path);
  const after = mergeLogin(before, server, token);
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const { uid, gid } = statSync(home);
  for (const made of [join(home, '.config'), folder]) {
    if (existsSync(made)) continue;
    mkdirSync(made, { mode: 0o700 });
    chownSync(made, uid, gid);
  }
  writeFileSync(`${path}.tmp`, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o600 });
  chownSync(`${path}.tmp`, uid, gid);
  renameSync(`${path}.tmp`, path);
}

/** Adds the server; it becomes the default unless another server that is still known is. */
export function mergeLogin(before: Credentials, server: string, token: string): Credentials {
  const servers = { ...before.servers, [server]: { token, user: 'admin' } };
  const kept =
    before.default !== undefined && Object.hasOwn(servers, before.default) ? before.default : server;
  return { servers, default: kept };
}

function readCredentials(path: string): Credentials {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Partial<Credentials>;
    return { servers: content.servers ?? {}, ...(content.default ? { default: content.default } : {}) };
  } catch {
    return { servers: {} }; // none yet, or not readable as ours: the CLI would refuse it as well
  }
}
