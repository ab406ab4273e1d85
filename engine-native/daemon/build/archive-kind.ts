// Is a file an archive that ADD unpacks? Known by its content, as Docker does it, never by its name.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { decompressed } from '../images/decompress.ts';

export type ArchiveKind = 'none' | 'tar' | 'unreadable';

const blockSize = 512;

export async function archiveKindOf(path: string): Promise<ArchiveKind> {
  const head = await firstBlock(path);
  if (isTarHeader(head)) return 'tar';
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return 'unreadable';
  if (head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))) return 'unreadable';
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const isZstd = head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528;
  if (!isGzip && !isZstd) return 'none';
  return isTarHeader(await firstUnpackedBlock(path)) ? 'tar' : 'none';
}

async function firstBlock(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(blockSize), 0, blockSize, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function firstUnpackedBlock(path: string): Promise<Buffer> {
  const source = createReadStream(path, { highWaterMark: 16 * 1024 });
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of (await decompressed(source)) as AsyncIterable<Buffer>) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= blockSize) break;
    }
  } catch {
    return Buffer.alloc(0); // damaged, or no archive at all: then it is a plain file
  } finally {
    source.destroy();
  }
  return Buffer.concat(parts).subarray(0, blockSize);
}

/** The checksum of a header is a sum over all its bytes, its own field taken as spaces. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < blockSize || block[0] === 0) return false;
  const text = block
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]{1,7}$/.test(text)) return false;
  let sum = 0;
  for (let at = 0; at < blockSize; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  return sum === Number.parseInt(text, 8);
}
