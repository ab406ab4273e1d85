// The texts of the files in a small archive that the engine made. Their names do not matter to those who ask.
import { AppError } from '@berth/kit/errors.ts';

const blockBytes = 512;

export async function filesOfTar(archive: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of archive) {
    size += chunk.length;
    if (size > maxBytes) throw new AppError('too_large', `an archive is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const tar = Buffer.concat(chunks);
  const files: string[] = [];
  for (let at = 0; at + blockBytes <= tar.length; ) {
    const bytes = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    const kind = tar.toString('latin1', at + 156, at + 157);
    if (kind === '0' || kind === '\0')
      files.push(tar.toString('utf8', at + blockBytes, at + blockBytes + bytes));
    at += blockBytes + Math.ceil(bytes / blockBytes) * blockBytes;
  }
  return files.filter((text) => text !== '');
}
