// Who is at work in an app's cache folders: a mark on disk while a command runs. A mark that outlives its command says that it was killed in the
// middle of writing, and the next build begins with an empty folder. Called by run-step.ts. Must never empty a folder that somebody works in.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Marks of commands that this process runs now; steps of one build may share a folder. */
const live = new Set<string>();
/** One at a time looks at marks and makes its own: nobody starts in a folder that another is emptying. */
let turn: Promise<unknown> = Promise.resolve();

export interface CacheUse {
  /** The command came to its own end, with whatever exit code: its tool left the folders as it wants to find them. */
  ended(): Promise<void>;
  /** Called whatever happened. Without `ended` before, the marks stay on disk. */
  release(): void;
}

/** Before the command starts. `user` is unique among the commands of the app that may run at once. */
export function useCaches(parent: string, names: readonly string[], user: string): Promise<CacheUse> {
  const mine = turn.then(() => markAll(parent, names, user));
  turn = mine.catch(() => {}); // its caller hears of it
  return mine;
}

async function markAll(parent: string, names: readonly string[], user: string): Promise<CacheUse> {
  const marks = join(parent, '.in-use');
  if (names.length > 0) await mkdir(marks, { recursive: true, mode: 0o700 });
  const mine: string[] = [];
  for (const name of names) {
    await emptyAfterKill(parent, marks, name);
    const mark = join(marks, `${name}.${user}`);
    live.add(mark);
    mine.push(mark);
    await writeFile(mark, '');
  }
  return {
    ended: async () => {
      for (const mark of mine) await rm(mark, { force: true });
    },
    release: () => {
      for (const mark of mine) live.delete(mark);
    },
  };
}

async function emptyAfterKill(parent: string, marks: string, name: string): Promise<void> {
  const found = (await readdir(marks)).filter((file) => file.startsWith(`${name}.`));
  const paths = found.map((file) => join(marks, file));
  if (paths.length === 0 || paths.some((path) => live.has(path))) return;
  await rm(join(parent, name), { recursive: true, force: true });
  for (const path of paths) await rm(path, { force: true });
}
