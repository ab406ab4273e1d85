// The one buffer that all connections read into: a read is used up before the next one starts, so idle connections cost no buffer
// and reads make no garbage. Must never be kept by a user: whoever needs bytes later copies them.

export const readBytes = 64 * 1024;
export const readBuffer: Buffer = Buffer.allocUnsafeSlow(readBytes);

/** Bytes to keep beyond the read: a copy if they are the read buffer's, themselves if they are somebody's own. */
export function keptBytes(bytes: Buffer): Buffer {
  return bytes.buffer === readBuffer.buffer ? Buffer.from(bytes) : bytes;
}
