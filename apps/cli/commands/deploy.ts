// deploy: the working folder, a tar of one, or a finished image, without git. The platform builds and releases it as it does a push, and says the same lines.
// Ctrl-C ends the build as it does for a push; a release that has begun to start goes on.
import { createReadStream, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import { createZstdCompress } from 'node:zlib';
import type { OutputLine } from '@berth/contract/release.ts';
import { AppError, type ErrorCode, errorCodes } from '@berth/kit/errors.ts';
import { type TarEntry, writeTar } from '@berth/kit/write-tar.ts';
import { appOptions, type Command, flag, type Input, text } from '../command.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { type LocalFile, listFolder } from '../list-folder.ts';
import { printable } from '../output.ts';
import { UploadProgress } from '../upload-progress.ts';

export const deploy: Command = {
  summary: 'deploy a folder without git, a tar (--archive) or a finished image (--image)',
  usage: '[FOLDER] [--archive FILE] [--image REF [--force]] [--no-cache] [-a APP]',
  example: 'berth deploy . -a hello',
  options: {
    ...appOptions,
    archive: { type: 'string', value: 'FILE', about: 'a tar instead of a folder; plain, gzip or zstd' },
    image: { type: 'string', value: 'REF', about: 'an image of a registry, or one of your apps by id' },
    force: { type: 'boolean', about: 'a release even when the image is the current one' },
    'no-cache': { type: 'boolean', about: 'take nothing that was made for the app earlier' },
  },
  positionals: [0, 1],
  run: async (input) => {
    const archive = text(input, 'archive');
    const image = text(input, 'image');
    if (input.args.length + Number(archive !== undefined) + Number(image !== undefined) > 1)
      throw new AppError('bad_request', 'one thing at a time: a folder, an archive or an image');
    if (image !== undefined) return deployImage(input, image);
    const upload = archive === undefined ? fromFolder(input) : fromArchive(input, archive);
    const query = new URLSearchParams();
    if (archive !== undefined) query.set('enter', 'true');
    if (flag(input, 'no-cache')) query.set('noCache', 'true');
    const app = encodeURIComponent(await input.app());
    const api = await input.api();
    const lines = api.upload<OutputLine>(`/v1/apps/${app}/deploys?${query}`, 'application/x-tar', upload);
    return printDeploy(input, lines);
  },
};

async function deployImage(input: Input, image: string): Promise<number> {
  const path = `/v1/apps/${encodeURIComponent(await input.app())}/deploys`;
  const body = Buffer.from(JSON.stringify({ image, force: flag(input, 'force') }));
  return printDeploy(input, (await input.api()).upload<OutputLine>(path, 'application/json', [body]));
}

/** The platform has said why it failed by then; the exit code is left to tell. */
async function printDeploy(input: Input, lines: AsyncIterable<OutputLine>): Promise<number> {
  for await (const line of lines) {
    if (!('end' in line)) {
      input.output.line(printable(line.text));
      continue;
    }
    const code: ErrorCode = Object.hasOwn(errorCodes, line.code) ? (line.code as ErrorCode) : 'build_failed';
    return line.ok ? 0 : exitCodeOf(new AppError(code, line.message));
  }
  throw new AppError('unavailable', 'the platform stopped telling how the deploy goes', {
    hint: 'see it with "berth builds" and "berth releases"',
  });
}

async function* fromFolder(input: Input): AsyncGenerator<Uint8Array> {
  const folder = resolve(input.args[0] ?? '.');
  const files = listFolder(folder);
  if (files.length === 0)
    throw new AppError('invalid', `there is no file to deploy in "${folder}"`, {
      hint: '.gitignore and .berthignore may leave out all of it',
    });
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const progress = new UploadProgress(input.output, { what: `${count(files.length)} of ${folder}`, bytes });
  const tar = writeTar(entries(folder, files, (size) => progress.add(size)));
  // whoever reads the packed stream gets the errors of the files too
  const packed = pipeline(tar, createZstdCompress(), () => {});
  yield* packed as AsyncIterable<Uint8Array>;
  progress.end();
}

async function* entries(
  folder: string,
  files: readonly LocalFile[],
  onBytes: (size: number) => void,
): AsyncGenerator<TarEntry> {
  for (const { path, kind, mode, size, linkTarget } of files) {
    const entry = { path, kind, mode, size };
    if (kind === 'symlink') yield { ...entry, linkTarget: linkTarget ?? '' };
    else yield { ...entry, content: readFile(join(folder, path), path, size, onBytes) };
  }
}

/** A file that changes its size while it is read must not shift what is behind it in the tar. */
async function* readFile(
  at: string,
  path: string,
  size: number,
  onBytes: (size: number) => void,
): AsyncGenerator<Uint8Array> {
  if (size === 0) return;
  let read = 0;
  for await (const chunk of createReadStream(at, { end: size - 1 })) {
    read += (chunk as Buffer).length;
    onBytes((chunk as Buffer).length);
    yield chunk as Buffer;
  }
  if (read !== size)
    throw new AppError('conflict', `"${path}" was changed while it was read`, { hint: 'deploy again' });
}

async function* fromArchive(input: Input, path: string): AsyncGenerator<Uint8Array> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new AppError('not_found', `there is no file "${path}"`);
  if (!found.isFile())
    throw new AppError('bad_request', `"${path}" is no file`, { hint: `for a folder: berth deploy ${path}` });
  const progress = new UploadProgress(input.output, { what: path, bytes: found.size });
  for await (const chunk of createReadStream(path)) {
    progress.add((chunk as Buffer).length);
    yield chunk as Buffer;
  }
  progress.end();
}

function count(files: number): string {
  return files === 1 ? '1 file' : `${files.toLocaleString('en-US')} files`;
}
