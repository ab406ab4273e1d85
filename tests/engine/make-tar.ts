/**
 * Tar archives made by hand, field by field, so that a test can say exactly what is wrong with one.
 * Used by helper-layers.test.ts.
 */
export interface Entry {
  name: string;
  type?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  link?: string;
  content?: string | Buffer;
  /** Written into the header instead of the content's length. */
  size?: number;
  device?: [number, number];
  /** PAX records before the entry. */
  pax?: Record<string, string>;
}

const padded = (body: Buffer): Buffer =>
  Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

function header(entry: Entry, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(entry.name, 0, 100);
  block.write(octal(entry.mode ?? 0o644, 8), 100);
  block.write(octal(entry.uid ?? 0, 8), 108);
  block.write(octal(entry.gid ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(entry.mtime ?? 0, 12), 136);
  block.write('        ', 148);
  block.write(entry.type ?? '0', 156);
  block.write(entry.link ?? '', 157, 100);
  block.write('ustar\x0000', 257);
  if (entry.device) {
    block.write(octal(entry.device[0], 8), 329);
    block.write(octal(entry.device[1], 8), 337);
  }
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let size = rest;
  while (size !== rest + String(size).length) size = rest + String(size).length;
  return `${size} ${key}=${value}\n`;
}

/** The entries without the closing zero blocks. */
export function tarBody(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    if (entry.pax) {
      const records = Buffer.from(
        Object.entries(entry.pax)
          .map(([key, value]) => paxRecord(key, value))
          .join(''),
      );
      parts.push(header({ name: 'pax', type: 'x' }, records.length), padded(records));
    }
    const content = Buffer.from(entry.content ?? '');
    parts.push(header(entry, entry.size ?? content.length), padded(content));
  }
  return Buffer.concat(parts);
}

export const makeTar = (entries: Entry[]): Buffer => Buffer.concat([tarBody(entries), Buffer.alloc(1024)]);
