// Which app and server a work tree belongs to, read from .git/config without starting git. Used by the session.
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface RemoteApp {
  server: string;
  app: string;
}

/** The remotes of the work tree around a folder, by name; empty outside of one. */
export function readRemotes(folder: string): Map<string, string> {
  const gitFolder = findGitFolder(folder);
  if (gitFolder === undefined) return new Map();
  try {
    return parseRemotes(readFileSync(`${gitFolder}/config`, 'utf8'));
  } catch {
    return new Map();
  }
}

/** `http://127.0.0.1:7070/hello.git` as server and app; undefined for a URL that is not ours. */
export function parseRemoteUrl(url: string): RemoteApp | undefined {
  const match = /^(https?:\/\/)(?:[^@/]*@)?([^/]+)\/([a-z0-9-]+)\.git\/?$/.exec(url);
  return match ? { server: `${match[1]}${match[2]}`, app: match[3] ?? '' } : undefined;
}

/** Where the config lies: the .git folder, or for linked work trees the one they share. */
export function findGitFolder(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = `${at}/.git`;
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) return path;
    if (found?.isFile()) {
      const own = resolve(
        at,
        readFileSync(path, 'utf8')
          .replace(/^gitdir:\s*/, '')
          .trim(),
      );
      const shared = readOr(`${own}/commondir`);
      return shared === undefined ? own : resolve(own, shared.trim());
    }
    if (at === dirname(at)) return undefined;
  }
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function parseRemotes(config: string): Map<string, string> {
  const remotes = new Map<string, string>();
  let current: string | undefined;
  for (const line of config.split('\n')) {
    const section = /^\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(line);
    if (section) current = section[1] === 'remote' ? section[2] : undefined;
    const url = /^\s*url\s*=\s*"?([^"\s]+)/.exec(line)?.[1];
    if (current !== undefined && url !== undefined && !remotes.has(current)) remotes.set(current, url);
  }
  return remotes;
}
