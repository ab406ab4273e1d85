// What requirement files say before any container runs: which packages they name, which files they include, does anything come from the tree or
// from a version control system. Reads as pip does; a line it does not know is left to the installer. Used by facts.ts.
import { posix } from 'node:path';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface Requirements {
  /** Every file by its path, the first one first. */
  texts: Map<string, string>;
  /** Normal names; extras as "fastapi[standard]" beside "fastapi". */
  names: Set<string>;
  /** A package comes out of the pushed tree: the install needs the source. */
  fromTree: boolean;
  /** A package comes from git, or is asked for as source: the install needs git and compilers. */
  fromSource: boolean;
  /** Each names one version: leaving out what has no wheel would not choose an older one. */
  pinned: boolean;
}

/** More files than anybody includes. */
const maxFiles = 100;
const maxFileBytes = 1024 * 1024;

export async function readRequirements(tree: SourceTree, file: string): Promise<Requirements> {
  const found: Requirements = {
    texts: new Map(),
    names: new Set(),
    fromTree: false,
    fromSource: false,
    pinned: true,
  };
  const waiting = [file];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.texts.has(next) || found.texts.size >= maxFiles) continue;
    const text = (await tree.readText(next, maxFileBytes)) ?? '';
    if (text.includes('\0'))
      throw new AppError('invalid', `"${next}" is not written in UTF-8`, {
        hint: 'save it as UTF-8 (PowerShell\'s ">" writes UTF-16)',
      });
    found.texts.set(next, text);
    for (const line of logicalLines(text)) {
      found.fromSource ||= /(?:^|[\s@])git\+|^--no-binary\b/.test(line.text);
      const included = readLine(line, found);
      if (included !== undefined && !/^\w+:\/\//.test(included))
        waiting.push(includedPath(tree, next, line, included));
    }
  }
  return found;
}

interface Line {
  text: string;
  number: number;
}

/** Lines without comments; a backslash at the end joins the next one. */
function logicalLines(text: string): Line[] {
  const lines: Line[] = [];
  let open: Line | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/(^|\s)#.*$/, '').trimEnd();
    const joined: Line = open ? { ...open, text: open.text + line } : { text: line, number: index + 1 };
    open = joined.text.endsWith('\\') ? { ...joined, text: joined.text.slice(0, -1) } : undefined;
    if (!open && joined.text.trim() !== '') lines.push({ ...joined, text: joined.text.trim() });
  }
  return lines;
}

/** Notes what the line names; gives the file it includes. */
function readLine({ text }: Line, found: Requirements): string | undefined {
  const option = /^(-r|-c|-e|--requirement|--constraint|--editable)(?:\s+|=|(?<=^-[rce])(?=\S))(.+)$/.exec(
    text,
  );
  if (option) {
    const [, flag = '', value = ''] = option;
    if (flag !== '-e' && flag !== '--editable') return value.trim();
    found.fromTree ||= isLocal(value.trim());
    return undefined;
  }
  if (text.startsWith('-')) return undefined;
  if (isLocal(text)) {
    found.fromTree = true;
    return undefined;
  }
  for (const name of requirementNames(text)) found.names.add(name);
  found.pinned &&= /^[\w.-]+\s*(?:\[[^\]]*\])?\s*={2,3}\s*[\w.!+]+(?:\s|;|$)/.test(text);
  if (/^[\w.-]+(?:\[[^\]]*\])?\s*@\s*(?:file:|\.)/.test(text)) found.fromTree = true;
  return undefined;
}

function isLocal(text: string): boolean {
  return /^(?:\.{1,2}(?:$|[/[\s;])|file:|\/)/.test(text) || /^[\w.-]+\/(?!\/)/.test(text);
}

/** "Flask[async]>=3; marker" → "flask", "flask[async]". */
export function requirementNames(text: string): string[] {
  const [, raw, extras] = /^([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?/.exec(text.trim()) ?? [];
  if (raw === undefined) return [];
  const name = normalName(raw);
  const parts = (extras ?? '').split(',').map((extra) => extra.trim().toLowerCase());
  return [name, ...parts.filter((extra) => extra !== '').map((extra) => `${name}[${extra}]`)];
}

/** PEP 503. */
export function normalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

function includedPath(tree: SourceTree, from: string, line: Line, included: string): string {
  const path = posix.normalize(posix.join(posix.dirname(from), included));
  if (tree.has(path)) return path;
  throw new AppError(
    'invalid',
    `line ${line.number} of ${from} includes "${included}", which is not in the commit`,
    {
      hint: `commit "${path}" or remove the line`,
    },
  );
}
