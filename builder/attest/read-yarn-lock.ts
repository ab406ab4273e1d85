// yarn.lock, of Yarn 1 and of its successors: an entry is the answer to one or more wishes ("react@^18.0.0"). Pure.
import { field, fieldsOf } from './fields.ts';
import { integrityHashes } from './hashes.ts';
import type { Inventory } from './inventory.ts';
import { type Branch, readIndented } from './read-indented.ts';
import { npmComponent } from './read-npm-lock.ts';

/** `manifest` is the root's package.json: the lock file of Yarn 1 does not say what the app itself asks for. */
export function readYarnLock(text: string, into: Inventory, manifest: string | undefined): void {
  const lock = readIndented(text);
  const answers = new Map<string, string>();
  const entries: { ref: string | undefined; wishes: string[] }[] = [];
  for (const [key, entry] of lock.branches) {
    if (key === '__metadata') continue;
    const asked = key.split(/,\s*/).map((wish) => wish.replace(/^["']|["']$/g, ''));
    const ref = addEntry(asked[0] ?? '', entry, into);
    for (const wish of asked) if (ref !== undefined) answers.set(wish, ref);
    entries.push({ ref, wishes: wishesOf(entry) });
  }
  const find = (wish: string) => answers.get(wish) ?? answers.get(wish.replace(/^(.+?)@(?!npm:)/, '$1@npm:'));
  for (const { ref, wishes } of entries) {
    const needed = wishes.flatMap((wish) => find(wish) ?? []);
    // An entry without a reference is the app itself, or a member of its workspace.
    for (const one of needed) ref === undefined ? into.direct.add(one) : into.needs(ref, one);
  }
  for (const wish of rootWishes(manifest)) into.direct.add(find(wish) ?? '');
  into.direct.delete('');
}

function addEntry(wish: string, entry: Branch, into: Inventory): string | undefined {
  const version = entry.texts.get('version');
  const resolution = entry.texts.get('resolution') ?? '';
  if (version === undefined || resolution.includes('@workspace:')) return undefined;
  // Yarn's later checksums are those of its own archives, nobody else could compare them.
  const hashes = integrityHashes(entry.texts.get('integrity'));
  return into.add(npmComponent(nameOf(resolution || realWish(wish)), version, { hashes }));
}

/** `alias@npm:real@^1.0.0` is about "real". */
function realWish(wish: string): string {
  const alias = /^.+?@npm:(@?[^@]+@.+)$/.exec(wish)?.[1];
  return alias ?? wish;
}

function nameOf(wish: string): string {
  const at = wish.indexOf('@', 1);
  return at === -1 ? wish : wish.slice(0, at);
}

function wishesOf(entry: Branch): string[] {
  return ['dependencies', 'optionalDependencies'].flatMap((kind) =>
    [...(entry.branches.get(kind)?.texts ?? [])].map(([name, range]) => `${name}@${range}`),
  );
}

function rootWishes(manifest: string | undefined): string[] {
  if (manifest === undefined) return [];
  const root: unknown = JSON.parse(manifest);
  return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.entries(fieldsOf(field(root, kind))).map(([name, range]) => `${name}@${String(range)}`),
  );
}
