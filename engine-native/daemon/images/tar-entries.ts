// Headers of a tar archive whose entries' sizes are known beforehand: the outer archive of `docker save`. Pure; layers are tarred by the helper.
// The same entries give the same bytes: no names, no times.

const blockBytes = 512;
const maxOctalSize = 0o77777777777;

export function tarHeader(name: string, size: number, isFolder = false): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`"${name}" is too long for a tar header`);
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  block.write(octal(isFolder ? 0o755 : 0o644, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  if (size <= maxOctalSize) block.write(octal(size, 12), 124);
  else {
    block[124] = 0x80; // GNU's binary form, for what octal cannot say
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write(octal(0, 12), 136);
  block.write('        ', 148);
  block.write(isFolder ? '5' : '0', 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Fills the last block of an entry. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

export const tarEnd = Buffer.alloc(2 * blockBytes);

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}
