// The credentials file and its twin in git's own format, which lets a push log in without starting Node.
// Used by login, logout, the session and the credential helper. Both files are 0600 and replaced whole.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { AppError, systemCode } from '@berth/kit/errors.ts';

export interface Credentials {
  servers: Record<string, { token: string; user: string }>;
  default?: string;
}

const fileName = 'credentials.json';
const gitFileName = 'git-credentials';

/** No file means no credentials; a damaged one is an error that names it. */
export function readCredentials(folder: string): Credentials {
  const path = `${folder}/${fileName}`;
  let raw: string;
  try {
    raw = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { servers: {} };
    throw new AppError('internal', `cannot read "${path}"`, {
      detail: systemCode(error) ?? '',
      cause: error,
    });
  }
  try {
    const parsed = JSON.parse(raw) as Partial<Credentials>;
    return { ...parsed, servers: { ...parsed.servers } };
  } catch {
    throw new AppError('invalid', `"${path}" is not JSON`, { hint: 'remove it and run "berth login"' });
  }
}

export function writeCredentials(folder: string, credentials: Credentials): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(`${folder}/${fileName}`, `${JSON.stringify(credentials, null, 2)}\n`);
  writeGitCredentials(folder, credentials);
}

/** The twin; written last, since the launcher trusts it only while it is not older. */
export function writeGitCredentials(folder: string, credentials: Credentials): void {
  replaceFile(`${folder}/${gitFileName}`, gitCredentials(credentials));
}

/** The lines of `git credential-store`: one URL a server, with user and token in it. */
export function gitCredentials(credentials: Credentials): string {
  let lines = '';
  for (const [server, { user, token }] of Object.entries(credentials.servers)) {
    const url = new URL(server);
    url.username = encodeURIComponent(user || 'berth');
    url.password = encodeURIComponent(token);
    url.pathname = '';
    lines += `${url.href.replace(/\/$/, '')}\n`;
  }
  return lines;
}

function replaceFile(path: string, content: string): void {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, content, { mode: 0o600 });
  chmodSync(fresh, 0o600); // writeFile's mode is cut by the umask only, but an old file keeps its own
  renameSync(fresh, path);
}

/** The form in which a server's URL is kept: no slash at its end, no path. Throws `invalid`. */
export function normalServer(url: string): string {
  const withScheme = /^https?:\/\//.test(url) ? url : `http://${url}`;
  if (!URL.canParse(withScheme)) throw new AppError('invalid', `"${url}" is not the URL of a server`);
  return new URL(withScheme).origin;
}
