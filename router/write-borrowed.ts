// Writes bytes of the shared read buffer, which the next read overwrites: they are copied, as text when they are few.
// Used wherever a read goes straight on to another socket. Gives what socket.write gives.
import type { Socket } from 'node:net';

/** Up to this size text is the cheaper copy: it makes no buffer, and the kernel has it when the write returns. */
const textBytes = 8 * 1024;

export function writeBorrowed(socket: Socket, bytes: Buffer, from = 0, to = bytes.length): boolean {
  if (to - from <= textBytes) return socket.write(bytes.toString('latin1', from, to), 'latin1');
  return socket.write(Buffer.from(bytes.subarray(from, to)));
}
