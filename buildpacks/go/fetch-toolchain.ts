// Puts a Go toolchain at /opt/berth/go: the module golang.org/toolchain out of GOPROXY, checked against the checksum database before a file of it is
// written. Run by node in a build container (toolchain-layers.ts); its arguments are the version, the architecture, GOPROXY and GOSUMDB. The archive is kept in /cache/go.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { provenHash, readDatabaseSetting } from './checksum-database.ts';
import { filesOf, hashOne } from './module-zip.ts';

const target = '/opt/berth/go';
const cache = '/cache/go';
const module = 'golang.org/toolchain';
/** A mirror that hangs must end as an error, not as the build's time limit. */
const requestLimitMs = 5 * 60_000;

const [goVersion, arch, proxyList, sumSetting] = process.argv.slice(2);
const version = `v0.0.1-go${goVersion}.linux-${arch}`;
const proxies = (proxyList || 'https://proxy.golang.org').split(/[,|]/).filter((url) => /^https?:/.test(url));

try {
  const zip = await archive();
  const sums = new Map<string, string>();
  for (const { name, content } of filesOf(zip))
    sums.set(name, createHash('sha256').update(content).digest('hex'));
  const found = hashOne(sums);
  const wanted = await wantedHash();
  if (wanted !== undefined && wanted !== found)
    throw new Error(`the archive has the hash ${found}, not ${wanted}`);
  unpack(zip);
} catch (error) {
  console.error(`go${goVersion}: ${messageOf(error)}`);
  process.exitCode = 1;
}

/** Checked each time, wherever it comes from. */
async function archive(): Promise<Buffer> {
  const kept = join(cache, `${version}.zip`);
  if (existsSync(kept)) return readFileSync(kept);
  const zip = await firstOf(proxies.map((url) => `${url.replace(/\/$/, '')}/${module}/@v/${version}.zip`));
  keep(kept, zip);
  return zip;
}

/** The proven hash is kept: a platform that cannot reach the database any more still builds with what it has. */
async function wantedHash(): Promise<string | undefined> {
  const database = readDatabaseSetting(sumSetting);
  if (!database) return undefined;
  const kept = join(cache, `${version}.${database.name}`);
  if (existsSync(kept)) return readFileSync(kept, 'utf8').trim();
  // As the go command does it: through the proxy, so that a mirror is enough, else directly.
  const through = proxies.map((url) => `${url.replace(/\/$/, '')}/sumdb/${database.name}`);
  const bases = [...through, database.address];
  const hash = await provenHash(database, module, version, (path) =>
    firstOf(bases.map((base) => base + path)),
  );
  keep(kept, `${hash}\n`);
  return hash;
}

async function firstOf(urls: readonly string[]): Promise<Buffer> {
  const failures: string[] = [];
  for (const url of urls) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(requestLimitMs) });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      failures.push(`${url}: ${answer.status}`);
    } catch (error) {
      failures.push(`${url}: ${messageOf(error)}`);
    }
  }
  throw new Error(`not to be had (${failures.join('; ')})`);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Two platforms may write the same file at once: each gives it its name when it is whole. */
function keep(file: string, content: string | Buffer): void {
  mkdirSync(cache, { recursive: true });
  const part = `${file}.${process.pid}.${Date.now()}.part`;
  writeFileSync(part, content);
  renameSync(part, file);
}

/** Without the sources of the go command itself, which no app is compiled from. */
function unpack(zip: Buffer): void {
  const prefix = `${module}@${version}/`;
  for (const { name, content } of filesOf(zip)) {
    const path = name.slice(prefix.length);
    if (!name.startsWith(prefix) || normalize(path) !== path || path.startsWith('..'))
      throw new Error(`the archive has a file "${name}"`);
    if (/^(src\/cmd|test|api|doc|misc)\//.test(path)) continue;
    const file = join(target, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode: /^(bin|pkg\/tool)\//.test(path) ? 0o755 : 0o644 });
  }
}
