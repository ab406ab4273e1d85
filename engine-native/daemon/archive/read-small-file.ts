// One small file out of a container or image, as its processes would see it. The helper resolves the path; nothing here touches the disk.
import { AppError } from '@berth/kit/errors.ts';
import type { ArchiveRoot, Helper } from '../runtime/helper.ts';

const maxFileBytes = 1024 * 1024;
const blockBytes = 512;
const fileKind = 0o100000;

export async function readSmallFile(root: ArchiveRoot, path: string, helper: Helper): Promise<Buffer> {
  const { stat, tar } = await helper.archiveGet(root, path, { follow: true });
  try {
    if ((stat.mode & 0o170000) !== fileKind) throw new AppError('bad_request', `"${path}" is not a file`);
    if (stat.size > maxFileBytes) throw new AppError('too_large', `"${path}" is larger than 1 MiB`);
    const chunks: Buffer[] = [];
    for await (const chunk of tar) chunks.push(chunk as Buffer);
    return contentOf(Buffer.concat(chunks), path);
  } finally {
    tar.destroy();
  }
}

/** The first entry of an archive of our own making: an extension header may stand before it. */
function contentOf(tar: Buffer, path: string): Buffer {
  for (let at = 0; at + blockBytes <= tar.length; ) {
    const size = Number.parseInt(tar.subarray(at + 124, at + 136).toString('latin1'), 8);
    const kind = tar.subarray(at + 156, at + 157).toString('latin1');
    const content = tar.subarray(at + blockBytes, at + blockBytes + size);
    if (kind !== 'x' && content.length === size) return content;
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
  }
  throw new AppError('internal', `"${path}" could not be read to its end`);
}
