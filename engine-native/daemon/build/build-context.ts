// The context a client sent: unpacked once below ROOT, what .dockerignore names taken out, then never written to again.
// Links in it are resolved by the helper inside of it, so none leads out.
import { closeSync, constants, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline, type Readable, Transform } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { decompressed } from '../images/decompress.ts';
import type { StoreQuota } from '../images/store-quota.ts';
import type { Helper } from '../runtime/helper.ts';
import { IgnoreRules } from './ignore-file.ts';
import { findInTree, listTree } from './tree.ts';

const tarBlock = 512;
const maxFiles = 1_000_000;
const maxTextBytes = 1024 * 1024;
const entriesATurn = 500; // matching many patterns must not keep other requests waiting

export interface BuildContext {
  dir: string;
  dockerfile: string;
}

export async function receiveContext(
  body: Readable,
  dir: string,
  dockerfile: string,
  { helper, quota }: { helper: Helper; quota: StoreQuota },
): Promise<BuildContext> {
  // A failure of the body reaches the reader of the result.
  const limits = { maxFiles, ...(await quota.limit()) };
  await helper.untar(
    dir,
    pipeline(await decompressed(body), completed(), () => {}),
    limits,
  );
  const text = await readContextFile(dir, dockerfile, helper);
  if (text === undefined)
    throw new AppError('bad_request', `Cannot locate specified Dockerfile: ${dockerfile.slice(0, 200)}`, {
      hint: 'name it with -f, below the context',
    });
  const ignore =
    (await readContextFile(dir, `${dockerfile}.dockerignore`, helper)) ??
    (await readContextFile(dir, '.dockerignore', helper));
  if (ignore !== undefined) await removeIgnored(dir, new IgnoreRules(ignore), helper);
  return { dir, dockerfile: text };
}

/**
 * The docker CLI's tar of a context with a Dockerfile from stdin stops behind the last byte of content: neither padding nor end blocks.
 * HTTP's own framing has said by then that nothing was lost.
 */
function completed(): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      const missing = (tarBlock - (size % tarBlock)) % tarBlock;
      done(null, missing === 0 ? null : Buffer.alloc(missing + 2 * tarBlock));
    },
  });
}

async function readContextFile(dir: string, path: string, helper: Helper): Promise<string | undefined> {
  const found = await findInTree(helper, [dir], path, { depth: 0 });
  if (found?.start.type !== 'file') return undefined;
  if (found.start.size > maxTextBytes)
    throw new AppError('too_large', `"${path.slice(0, 200)}" is larger than 1 MiB`);
  // The path is real, and nobody writes to a context: no component of it is a link.
  const fd = openSync(join(dir, found.path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

async function removeIgnored(dir: string, rules: IgnoreRules, helper: Helper): Promise<void> {
  if (rules.isEmpty) return;
  const { below } = await listTree(helper, [dir], '/');
  const ignoredFolders: string[] = [];
  let gone = '\0';
  for (const [index, { path, type }] of below.entries()) {
    if (index % entriesATurn === 0) await nextTurn();
    if (path.startsWith(gone) || !rules.ignores(path)) continue;
    if (type !== 'folder') rmSync(join(dir, path), { force: true });
    else if (rules.hasExceptions) ignoredFolders.push(path);
    else {
      await helper.remove(join(dir, path));
      gone = `${path}/`;
    }
  }
  for (const path of ignoredFolders.reverse()) removeIfEmpty(join(dir, path));
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // it holds what an exception took back in
  }
}
