// The tree of a deployed folder while its entries come in: which paths may be there, and the tree objects in the end. Used by receive-deploy.ts.
// Must never let a path through that a checkout would write outside of its folder.
import { AppError } from '@berth/kit/errors.ts';
import { shown } from './read-tar.ts';

interface Leaf {
  mode: '100644' | '100755' | '120000';
  oid: string;
}
type Folder = Map<string, Leaf | Folder>;

/** The longest path Linux takes. */
const maxPathBytes = 4096;

export class DeployedTree {
  #root: Folder = new Map();

  /** Also replaces a file of the same path: the last one in a tar counts. */
  add(path: string, leaf: Leaf): void {
    const parts = pathParts(path);
    const name = parts.pop();
    if (name === undefined) throw new AppError('invalid', 'the archive has a file without a name');
    const folder = this.#folder(parts, path);
    if (folder.get(name) instanceof Map) throw isBoth(path);
    folder.set(name, leaf);
  }

  /** The file at a path, for hard links. */
  find(path: string): Leaf | undefined {
    let at: Leaf | Folder | undefined = this.#root;
    for (const part of pathParts(path)) at = at instanceof Map ? at.get(part) : undefined;
    return at instanceof Map ? undefined : at;
  }

  /** Archives of forges and of npm hold one folder, and the app in it. */
  enterOnlyFolder(): void {
    const [only, ...others] = this.#root.values();
    if (only instanceof Map && others.length === 0) this.#root = only;
  }

  /** Adds the tree objects, deepest first; gives the root's id. Throws `invalid` when there is no file. */
  async write(add: (content: Buffer) => Promise<string>): Promise<string> {
    if (this.#root.size === 0)
      throw new AppError('invalid', 'there is no file to deploy', {
        hint: 'is it the right folder? .gitignore and .berthignore may leave out all of it',
      });
    return writeFolder(this.#root, add);
  }

  #folder(parts: readonly string[], path: string): Folder {
    let at = this.#root;
    for (const part of parts) {
      const next = at.get(part) ?? new Map<string, Leaf | Folder>();
      if (!(next instanceof Map)) throw isBoth(path);
      at.set(part, next);
      at = next;
    }
    return at;
  }
}

async function writeFolder(folder: Folder, add: (content: Buffer) => Promise<string>): Promise<string> {
  const entries: { sortedBy: Buffer; content: Buffer }[] = [];
  for (const [name, node] of folder) {
    const isFolder = node instanceof Map;
    const [mode, oid] = isFolder ? ['40000', await writeFolder(node, add)] : [node.mode, node.oid];
    entries.push({
      // git sorts folders as if their names ended in a slash
      sortedBy: Buffer.from(isFolder ? `${name}/` : name),
      content: Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]),
    });
  }
  entries.sort((a, b) => a.sortedBy.compare(b.sortedBy));
  return add(Buffer.concat(entries.map(({ content }) => content)));
}

/** The names of a path; "./" and slashes too many are nothing. Throws `invalid` for one that leaves the folder or is git's own. */
export function pathParts(path: string): string[] {
  const refuse = (why: string) =>
    new AppError('invalid', `"${shown(path)}" ${why}`, { hint: 'leave it out of what is deployed' });
  if (path.startsWith('/')) throw refuse('is an absolute path');
  if (path.includes('\0')) throw refuse('is no name of a file');
  if (Buffer.byteLength(path) > maxPathBytes) throw refuse('is too long a path');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuse('leads out of the folder');
  if (parts.some((part) => part.toLowerCase() === '.git')) throw refuse("is git's own");
  return parts;
}

function isBoth(path: string): AppError {
  return new AppError('invalid', `"${shown(path)}" is below a file or a link, or is a folder as well`);
}
