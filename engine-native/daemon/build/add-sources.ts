// ADD's own sources: downloads, and archives of the context that are unpacked. Everything else is as for COPY.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { decompressed } from '../images/decompress.ts';
import { archiveKindOf } from './archive-kind.ts';
import type { StepPlace } from './build-run.ts';
import { type CopySource, findSources } from './copy-sources.ts';
import { download } from './download.ts';
import type { CopyInstruction } from './language/instruction.ts';
import { listTree } from './tree.ts';

interface AddPart {
  tree: { folders: string[]; label: string };
  sources: CopySource[];
  keepsOwners: boolean;
}

export async function addSources(
  place: StepPlace,
  instruction: CopyInstruction,
  names: string[],
): Promise<AddPart[]> {
  const { run } = place;
  const parts: AddPart[] = [];
  const plain: CopySource[] = [];
  const context = { folders: [run.context.dir], label: '' };
  if (instruction.checksum !== '' && names.length !== 1)
    throw new AppError('bad_request', 'ADD --checksum takes a single source');
  for (const name of names) {
    if (isGit(name))
      throw new AppError(
        'unsupported',
        `ADD of a git repository ("${withoutLogin(name)}") is not supported`,
        {
          hint: 'clone it before the build, or in a RUN',
        },
      );
    if (/^https?:\/\//i.test(name)) {
      parts.push(await downloaded(place, instruction, name));
      continue;
    }
    if (instruction.checksum !== '')
      throw new AppError('bad_request', 'ADD --checksum is for downloads: the source must be a URL');
    for (const source of await findSources(run.parts.helper, context, name)) {
      const unpacked =
        instruction.unpack === false ? undefined : await unpackedArchive(place, run.context.dir, source);
      if (unpacked) parts.push(unpacked);
      else plain.push(source);
    }
  }
  if (plain.length > 0) parts.push({ tree: context, sources: plain, keepsOwners: false });
  return parts;
}

async function downloaded(
  place: StepPlace,
  { checksum, unpack }: CopyInstruction,
  url: string,
): Promise<AddPart> {
  const { run } = place;
  const dir = run.scratchPath('download');
  const name = await download(url, dir, {
    checksum,
    signal: run.signal,
    allowLocal: run.options.networkMode === 'host',
    log: place.log,
  });
  const tree = { folders: [dir], label: '' };
  const sources = await findSources(run.parts.helper, tree, name.replace(/[*?[\\]/g, '\\$&'));
  const [source] = sources;
  const unpacked = unpack === true && source ? await unpackedArchive(place, dir, source) : undefined;
  return unpacked ?? { tree, sources, keepsOwners: false };
}

/** The archive's tree, unpacked in scratch; undefined when it is none. Its owners, modes and links are its own. */
async function unpackedArchive(
  place: StepPlace,
  dir: string,
  source: CopySource,
): Promise<AddPart | undefined> {
  const { run } = place;
  if (source.listing.start.type !== 'file') return undefined;
  const path = join(dir, source.listing.path); // real, in a tree that nobody writes to
  const kind = await archiveKindOf(path);
  if (kind === 'none') return undefined;
  if (kind === 'unreadable')
    throw new AppError(
      'unsupported',
      `"${source.path}" is compressed with bzip2 or xz, which this engine cannot unpack`,
      {
        hint: 'compress it with gzip or zstd, or use COPY and unpack it in a RUN',
      },
    );
  const to = run.scratchPath('archive');
  await run.parts.helper.untar(to, await decompressed(createReadStream(path)), { devices: 'skip' });
  const folders = [to];
  const listing = await listTree(run.parts.helper, folders, '/', { hash: true });
  return { tree: { folders, label: '' }, sources: [{ path: '', kept: '', listing }], keepsOwners: true };
}

function isGit(name: string): boolean {
  return /^(git@|git:\/\/|ssh:\/\/)/.test(name) || /^https?:\/\/[^?]*\.git(#|$)/.test(name);
}

function withoutLogin(name: string): string {
  return name.replace(/\/\/[^/@]*@/, '//').slice(0, 200);
}
