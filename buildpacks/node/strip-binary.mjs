// Copies a program without what only debuggers read (symbol table, debug sections): Node's 121 MB become 104. Used where Node becomes a layer:
// by builder/platform-node.ts, and by text inside build containers (fetchNodeScript). Must never change what a loader maps.
// @ts-check
import { closeSync, openSync, readSync } from 'node:fs';
import { copyFile, open, truncate } from 'node:fs/promises';

/**
 * The part of an ELF file (64 bit, little endian) that its program headers name, and its own header without the table of sections.
 * Undefined for anything else: such a file is taken whole. TIS ELF 1.2, figures 1-3 and 2-1.
 * @param {string} path
 * @returns {{ header: Buffer, length: number } | undefined}
 */
export function loadedPart(path) {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    if (readSync(file, header, 0, 64, 0) < 64 || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
      return undefined;
    const at = Number(header.readBigUInt64LE(32));
    const entrySize = header.readUInt16LE(54);
    const count = header.readUInt16LE(56);
    if (entrySize < 56 || count === 0) return undefined;
    const table = Buffer.alloc(entrySize * count);
    if (readSync(file, table, 0, table.length, at) < table.length) return undefined;
    let length = at + table.length;
    for (let entry = 0; entry < count; entry++) {
      const offset = Number(table.readBigUInt64LE(entry * entrySize + 8));
      const fileSize = Number(table.readBigUInt64LE(entry * entrySize + 32));
      length = Math.max(length, offset + fileSize);
    }
    header.writeBigUInt64LE(0n, 40); // e_shoff
    header.writeUInt16LE(0, 60); // e_shnum
    header.writeUInt16LE(0, 62); // e_shstrndx
    return { header, length };
  } finally {
    closeSync(file);
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
export async function copyLoadedPart(from, to) {
  const part = loadedPart(from);
  await copyFile(from, to);
  if (!part) return;
  await truncate(to, part.length);
  const file = await open(to, 'r+');
  await file.write(part.header, 0, part.header.length, 0);
  await file.close();
}
