// Text whose structure is its indentation, as Yarn and pnpm write their lock files: a small part of YAML, and Yarn's own older form. Pure.
// Lists are passed over; a value in braces stays one text.

export interface Branch {
  texts: Map<string, string>;
  branches: Map<string, Branch>;
}

/** Nobody nests a lock file so deep. */
const maxDepth = 20;

export function readIndented(text: string): Branch {
  const root = newBranch();
  const open: { indent: number; branch: Branch }[] = [{ indent: -1, branch: root }];
  for (const line of text.split('\n')) {
    const content = line.trim();
    if (content === '' || content.startsWith('#') || content.startsWith('- ')) continue;
    const indent = line.length - line.trimStart().length;
    while (open.length > 1 && (open.at(-1)?.indent ?? 0) >= indent) open.pop();
    const current = open.at(-1)?.branch ?? root;
    if (content.endsWith(':')) {
      const branch = newBranch();
      current.branches.set(unquoted(content.slice(0, -1)), branch);
      if (open.length < maxDepth) open.push({ indent, branch });
      continue;
    }
    const [, double, single, plain, value = ''] =
      /^(?:"([^"]*)"|'([^']*)'|([^\s"']+?)):? +(.*)$/.exec(content) ?? [];
    const key = double ?? single ?? plain;
    if (key !== undefined) current.texts.set(key, unquoted(value));
  }
  return root;
}

function newBranch(): Branch {
  return { texts: new Map(), branches: new Map() };
}

/** Only when it is one quoted text: `"a", "b"` is a list of names. */
function unquoted(text: string): string {
  return /^(?:"[^"]*"|'[^']*')$/.test(text) ? text.slice(1, -1) : text;
}

/** "integrity" of `{integrity: sha512-…, tarball: …}`. */
export function inBraces(text: string | undefined, name: string): string | undefined {
  const parts = (text ?? '').replace(/^\{|\}$/g, '').split(/,\s*/);
  return parts.find((part) => part.startsWith(`${name}: `))?.slice(name.length + 2);
}
