// A file of pod manifests, YAML or JSON, several documents in one: checked here already, so that what is wrong is told by its line. Used by `play`.
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { Document, LineCounter } from 'yaml';
import { parsePod } from './parse-pod.ts';
import type { PodPermissions } from './pod-spec.ts';

export interface Manifest {
  name: string;
  /** As the API takes it. */
  body: unknown;
}

const maxBytes = 1024 * 1024;
const maxPods = 64;
const maxAliases = 100; // a few lines of them could stand for gigabytes

export async function readManifests(
  text: string,
  source: string,
  allowed: PodPermissions,
): Promise<Manifest[]> {
  if (text.length > maxBytes) throw new AppError('too_large', `"${source}" is longer than ${maxBytes} bytes`);
  const { LineCounter, parseAllDocuments } = await import('yaml');
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  const documents = (Array.isArray(parsed) ? parsed : []).filter(
    (one) => one.errors.length > 0 || !isEmpty(one),
  );
  if (documents.length === 0) throw new AppError('bad_request', `"${source}" holds no manifest`);
  if (documents.length > maxPods)
    throw new AppError('bad_request', `"${source}" holds more than ${maxPods} manifests`);
  const manifests = documents.map((one) => readOne(one, { lines, source, allowed }));
  const names = manifests.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new AppError('bad_request', `"${source}" holds the pod "${twice}" more than once`);
  return manifests;
}

/** What stands behind a last `---`. */
function isEmpty({ contents }: Document): boolean {
  return contents === null || (contents as { value?: unknown }).value === null;
}

function readOne(
  one: Document,
  { lines, source, allowed }: { lines: LineCounter; source: string; allowed: PodPermissions },
): Manifest {
  const [broken] = one.errors;
  if (broken) {
    const [first = ''] = broken.message.split('\n');
    const reason = first.replace(/ at line \d+, column \d+:?$/, '');
    throw new AppError(
      'bad_request',
      `${source}:${lines.linePos(broken.pos[0]).line}: ${lowerFirst(reason)}`,
    );
  }
  try {
    const body: unknown = one.toJS({ maxAliasCount: maxAliases });
    return { name: parsePod(body, allowed).name, body };
  } catch (cause) {
    const { code, message, hint } = asAppError(cause);
    const place = `${source}:${lineOf(message, one, lines)}`;
    throw new AppError(code === 'internal' ? 'bad_request' : code, `${place}: ${lowerFirst(message)}`, {
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
  }
}

/** The line of the field that a message begins with, or of the nearest one above it that is there. */
function lineOf(message: string, one: Document, lines: LineCounter): number {
  const path = /^"([^"]+)"/.exec(message)?.[1] ?? '';
  const parts = path.split(/[.[\]]+/).filter((part) => part !== '');
  for (let length = parts.length; length > 0; length--) {
    const keys = parts.slice(0, length).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const start = rangeStart(keyNode(one, keys));
    if (start !== undefined) return lines.linePos(start).line;
  }
  return lines.linePos(rangeStart(one.contents) ?? 0).line;
}

/** The key where there is one: a value may begin on the line below it. */
function keyNode(one: Document, keys: (string | number)[]): unknown {
  const parent = keys.length === 1 ? one.contents : one.getIn(keys.slice(0, -1), true);
  const last = keys.at(-1);
  const pairs = (parent as { items?: unknown[] } | null)?.items ?? [];
  const pair = pairs.find(
    (item) => ((item as { key?: { value?: unknown } }).key?.value ?? undefined) === last,
  );
  return (pair as { key?: unknown } | undefined)?.key ?? one.getIn(keys, true);
}

function rangeStart(node: unknown): number | undefined {
  const range = (node as { range?: [number, number, number] | null } | undefined)?.range;
  return range?.[0];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
