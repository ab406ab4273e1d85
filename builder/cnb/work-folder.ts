// The folders that a build's phases hand on to each other, /workspace and /layers: on the host, the build's own, gone at its end.
// Called by build-with-lifecycle.ts. What the app's code wrote into them is never followed nor run here.
import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import type { BuildLimits } from '../config.ts';
import type { GitObjects } from '../source/git-objects.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { wroteTooMuch } from '../steps/run-container.ts';

/** A build that fills the disk is ended before it has written much more than it may. */
const measureMs = 2_000;
/** Measuring millions of files: the build is over its limits anyway. */
const measureLimitMs = 60_000;

export interface Owner {
  uid: number;
  gid: number;
}

export interface SizeWatch {
  signal: AbortSignal;
  /** Measures a last time and throws when it is too much. */
  end(): Promise<void>;
  stop(): void;
}

export class WorkFolder {
  readonly path: string;
  readonly workspace: string;
  readonly layers: string;
  readonly #owner: Owner;

  constructor(dataDir: string, owner: Owner) {
    const parent = parentOf(dataDir);
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    this.path = mkdtempSync(join(parent, 'build-'));
    this.#owner = owner;
    this.workspace = this.#folder(join(this.path, 'workspace'));
    this.layers = this.#folder(join(this.path, 'layers'));
  }

  /** The pushed tree as files. Links come last: no file is written through one. */
  async fill(objects: GitObjects, tree: SourceTree): Promise<void> {
    const made = new Set<string>(['.']);
    const links: [string, string][] = [];
    const entries = [...tree.entries];
    let at = 0;
    for await (const { chunks } of objects.stream(entries.map(([, { oid }]) => oid))) {
      const [path = '', entry] = entries[at++] ?? [];
      refuseUnsafe(path, tree);
      if (entry?.kind === 'symlink') {
        links.push([path, (await whole(chunks)).toString('utf8')]);
        continue;
      }
      this.#foldersAbove(path, made);
      await this.#write(path, entry?.kind === 'executable' ? 0o755 : 0o644, chunks);
    }
    for (const [path, target] of links) {
      this.#foldersAbove(path, made);
      const file = join(this.workspace, path);
      symlinkSync(target, file);
      lchownSync(file, this.#owner.uid, this.#owner.gid);
    }
  }

  /** Ends the build when its folders grow beyond what it may write: no quota of the engine covers them. */
  watch(limits: BuildLimits): SizeWatch {
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const measure = async () => {
      const { exitCode, stdout } = await runCommand(['du', '-s', '-x', '-B1', this.path], {
        timeoutMs: measureLimitMs,
      });
      // Files that go away meanwhile are an error of du's, not of the build.
      const bytes = Number(/^\d+/.exec(stdout.toString())?.[0] ?? (exitCode === 0 ? 0 : Number.NaN));
      if (bytes > limits.diskBytes) abort.abort(wroteTooMuch(limits));
    };
    const again = () => {
      timer = setTimeout(() => {
        measure()
          .catch((error: unknown) => abort.abort(error))
          .finally(() => {
            if (timer !== undefined && !abort.signal.aborted) again();
          });
      }, measureMs);
    };
    again();
    const stop = () => {
      clearTimeout(timer);
      timer = undefined;
    };
    return {
      signal: abort.signal,
      stop,
      end: async () => {
        stop();
        await measure();
        abort.signal.throwIfAborted();
      },
    };
  }

  /** A small file that a phase left in /layers. */
  readLayersFile(name: string, maxBytes: number): string | undefined {
    let file: number;
    try {
      file = openSync(
        join(this.layers, name),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
    } catch {
      return undefined;
    }
    try {
      const about = fstatSync(file);
      return about.isFile() && about.size <= maxBytes ? readFileSync(file, 'utf8') : undefined;
    } finally {
      closeSync(file);
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #foldersAbove(path: string, made: Set<string>): void {
    const folder = dirname(path);
    if (made.has(folder)) return;
    this.#foldersAbove(folder, made);
    this.#folder(join(this.workspace, folder));
    made.add(folder);
  }

  #folder(path: string): string {
    mkdirSync(path, { mode: 0o755 });
    chownSync(path, this.#owner.uid, this.#owner.gid);
    return path;
  }

  async #write(path: string, mode: number, chunks: AsyncIterable<Buffer>): Promise<void> {
    const name = join(this.workspace, path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = openSync(name, flags, mode);
    try {
      for await (const chunk of chunks)
        for (let from = 0; from < chunk.length; ) from += writeSync(file, chunk, from);
    } finally {
      closeSync(file);
    }
    chownSync(name, this.#owner.uid, this.#owner.gid);
  }
}

/** Called when the builder starts: what a killed life of it left. */
export function removeWorkFolders(dataDir: string): void {
  rmSync(parentOf(dataDir), { recursive: true, force: true });
}

function parentOf(dataDir: string): string {
  return join(dataDir, 'cnb', 'work');
}

/** The receiver lets no such tree in; these are files of the host. */
function refuseUnsafe(path: string, tree: SourceTree): void {
  const parts = path.split('/');
  const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
  if (
    parts.every((part) => part !== '' && part !== '.' && part !== '..') &&
    !above.some((one) => tree.has(one))
  )
    return;
  throw new AppError('invalid', `the tree has a path that cannot be: "${path}"`);
}

async function whole(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of chunks) parts.push(part);
  return Buffer.concat(parts);
}
