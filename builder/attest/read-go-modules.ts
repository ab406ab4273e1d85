// go.mod with go.sum: since Go 1.17 go.mod names every module of the build; before, go.sum knows more. Pure.
// A module's hash is Go's own ("h1:"): SHA-256 over the list of its files' hashes, which is what tools for Go's SBOMs give too.
import { hexHashes } from './hashes.ts';
import type { Inventory } from './inventory.ts';
import { goPurl } from './purl.ts';

interface Require {
  module: string;
  version: string;
  isIndirect: boolean;
}

export function readGoModules(mod: string, sum: string, into: Inventory): void {
  const hashes = readSums(sum);
  const { go, requires, replaces } = readGoMod(mod);
  const known = new Set(requires.map(({ module }) => module));
  const others = isComplete(go)
    ? []
    : [...hashes.keys()]
        .map((id) => ({ ...split(id), isIndirect: true }))
        .filter(({ module }) => !known.has(module));
  for (const { module, version, isIndirect } of [...requires, ...others]) {
    const target = replaces.get(`${module}@${version}`) ?? replaces.get(module);
    // Its code lies in the tree.
    if (target?.version === '') continue;
    const used = target ?? { module, version };
    const hash = hashes.get(`${used.module}@${used.version}`);
    const ref = into.add({
      type: 'library',
      name: used.module,
      version: used.version,
      purl: goPurl(used.module, used.version),
      ...(hash === undefined ? {} : { hashes: hexHashes('sha256', hash) }),
    });
    if (!isIndirect) into.direct.add(ref);
  }
  if (others.length > 0)
    into.notes.push(
      'go.mod is older than Go 1.17: modules of go.sum that the build does not take are in the list',
    );
}

function isComplete(go: string): boolean {
  const [major = 1, minor = 0] = go.split('.').map(Number);
  return major > 1 || minor >= 17;
}

function readGoMod(text: string): {
  go: string;
  requires: Require[];
  replaces: Map<string, { module: string; version: string }>;
} {
  const requires: Require[] = [];
  const replaces = new Map<string, { module: string; version: string }>();
  let go = '1.16';
  let block = '';
  for (const raw of text.split('\n')) {
    const isIndirect = /\/\/\s*indirect\b/.test(raw);
    const words = raw
      .replace(/\/\/.*$/, '')
      .trim()
      .replaceAll('"', '')
      .split(/\s+/);
    if (words[0] === ')') block = '';
    else if (words[1] === '(') block = words[0] ?? '';
    else {
      const [verb, ...rest] = block === '' ? words : [block, ...words];
      const [module = '', version = ''] = rest;
      if (verb === 'go') go = module;
      else if (verb === 'require' && version !== '') requires.push({ module, version, isIndirect });
      else if (verb === 'replace') {
        const arrow = rest.indexOf('=>');
        const [target = '', targetVersion = ''] = rest.slice(arrow + 1);
        if (arrow > 0)
          replaces.set(rest.slice(0, arrow).join('@'), { module: target, version: targetVersion });
      }
    }
  }
  return { go, requires, replaces };
}

/** Hex of each module's content by "module@version"; those of a go.mod alone say nothing about what is built. */
function readSums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [module = '', version = '', sum = ''] = line.trim().split(/\s+/);
    if (!sum.startsWith('h1:') || version.endsWith('/go.mod')) continue;
    sums.set(`${module}@${version}`, Buffer.from(sum.slice(3), 'base64').toString('hex'));
  }
  return sums;
}

function split(id: string): { module: string; version: string } {
  const at = id.lastIndexOf('@');
  return { module: id.slice(0, at), version: id.slice(at + 1) };
}
