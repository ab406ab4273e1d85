// `RUN --mount=type=…,…` as data, checked. Pure. https://docs.docker.com/reference/dockerfile/#run---mount
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';

export type Sharing = 'shared' | 'private' | 'locked';

export interface RunMount {
  type: 'bind' | 'cache' | 'tmpfs' | 'secret';
  /** Absolute, in the container. */
  target: string;
  source: string;
  from: string;
  isReadonly: boolean;
  id: string;
  sharing: Sharing;
  isRequired: boolean;
  mode: number | undefined;
  uid: number;
  gid: number;
  sizeBytes: number;
}

const keys: Record<string, string> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};
const common = ['type', 'target'];
const known: Record<RunMount['type'], string[]> = {
  bind: [...common, 'source', 'from', 'readonly', 'readwrite'],
  cache: [...common, 'id', 'readonly', 'readwrite', 'sharing', 'from', 'source', 'mode', 'uid', 'gid'],
  tmpfs: [...common, 'size'],
  secret: [...common, 'id', 'source', 'required', 'mode', 'uid', 'gid', 'env', 'readonly'],
};

export function parseRunMount(text: string, workingDir: string, line: number): RunMount {
  const fail = (message: string, hint?: string) =>
    new AppError(
      'bad_request',
      `dockerfile line ${line}: --mount: ${message}`,
      hint === undefined ? {} : { hint },
    );
  const given = fieldsOf(text, fail);
  const type = given.get('type') ?? 'bind';
  if (type === 'ssh')
    throw new AppError(
      'unsupported',
      `dockerfile line ${line}: --mount=type=ssh is not supported by this engine`,
      {
        hint: 'pass a key as a secret',
      },
    );
  if (type !== 'bind' && type !== 'cache' && type !== 'tmpfs' && type !== 'secret')
    throw fail(`unsupported mount type "${type.slice(0, 40)}"`, 'use bind, cache, tmpfs or secret');
  const unknown = [...given.keys()].find((key) => !known[type].includes(key));
  if (unknown !== undefined) throw fail(`unexpected key "${unknown.slice(0, 40)}" for type "${type}"`);
  if (given.has('env'))
    throw new AppError(
      'unsupported',
      `dockerfile line ${line}: a secret as an environment variable is not supported`,
      {
        hint: 'mount it as a file, which no process list shows',
      },
    );
  const sharing = given.get('sharing') ?? 'shared';
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked')
    throw fail(`unsupported sharing value "${sharing.slice(0, 40)}"`, 'use shared, private or locked');
  const mount: RunMount = {
    type,
    target: given.get('target') ?? '',
    source: given.get('source') ?? '',
    from: given.get('from') ?? '',
    isReadonly: readonlyOf(type, given, fail),
    id: given.get('id') ?? '',
    sharing,
    isRequired: flagOf(given.get('required'), 'required', fail) ?? false,
    mode: modeOf(given.get('mode'), fail),
    uid: idOf(given.get('uid'), 'uid', fail),
    gid: idOf(given.get('gid'), 'gid', fail),
    sizeBytes: sizeOf(given.get('size'), fail),
  };
  return { ...mount, ...placed(mount, workingDir, fail) };
}

type Fail = (message: string, hint?: string) => AppError;

function fieldsOf(text: string, fail: Fail): Map<string, string> {
  const given = new Map<string, string>();
  for (const field of text.split(',')) {
    const cut = field.indexOf('=');
    const name = (cut < 0 ? field : field.slice(0, cut)).trim().toLowerCase();
    const key = keys[name] ?? name;
    if (given.has(key)) throw fail(`"${key}" stands twice`);
    if (cut < 0 && !['readonly', 'readwrite', 'required'].includes(key))
      throw fail(`invalid field "${field.slice(0, 60)}" must be a key=value pair`);
    given.set(key, cut < 0 ? 'true' : field.slice(cut + 1).replace(/^"(.*)"$/, '$1'));
  }
  return given;
}

/** Where it goes, and the id it is known by. */
function placed({ type, target, id, source }: RunMount, workingDir: string, fail: Fail) {
  if (type === 'secret') {
    const name = id || posix.basename(source || target);
    if (name === '' || name === '/') throw fail('a secret needs an id, a source or a target');
    return { id: name, target: absolute(target || `/run/secrets/${name}`, workingDir, fail) };
  }
  if (target === '') throw fail(`type "${type}" needs a target`);
  const place = absolute(target, workingDir, fail);
  return { target: place, id: id || place };
}

function absolute(path: string, workingDir: string, fail: Fail): string {
  if (/[\0:]/.test(path)) throw fail(`the target "${path.slice(0, 80)}" holds a colon or NUL`);
  const full = posix.resolve(workingDir || '/', path);
  if (full === '/') throw fail('the target cannot be "/"');
  return full;
}

function readonlyOf(type: RunMount['type'], given: Map<string, string>, fail: Fail): boolean {
  const readonly = flagOf(given.get('readonly'), 'readonly', fail);
  const readwrite = flagOf(given.get('readwrite'), 'readwrite', fail);
  if (type === 'secret') return true;
  if (readwrite !== undefined) return !readwrite;
  return readonly ?? type === 'bind';
}

function flagOf(text: string | undefined, key: string, fail: Fail): boolean | undefined {
  if (text === undefined) return undefined;
  if (['true', '1', ''].includes(text)) return true;
  if (['false', '0'].includes(text)) return false;
  throw fail(`invalid value for ${key}: "${text.slice(0, 40)}"`);
}

function modeOf(text: string | undefined, fail: Fail): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-7]{1,4}$/.test(text)) throw fail(`invalid value "${text.slice(0, 40)}" for mode`);
  return Number.parseInt(text, 8);
}

function idOf(text: string | undefined, key: string, fail: Fail): number {
  if (text === undefined) return 0;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw fail(`invalid value "${text.slice(0, 40)}" for ${key}`);
  return Number(text);
}

function sizeOf(text: string | undefined, fail: Fail): number {
  if (text === undefined) return 0;
  const match = /^(\d{1,15})([kmgt]?)b?$/i.exec(text);
  if (!match) throw fail(`invalid value "${text.slice(0, 40)}" for size`);
  return Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2]?.toLowerCase() || ' ');
}
