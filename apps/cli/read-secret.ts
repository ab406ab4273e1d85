// Reads what must not be seen: a token typed on a terminal without echo, or all of standard input.
import { AppError } from '@berth/kit/errors.ts';

/** More than this on standard input is no token. */
const maxInputBytes = 1024 * 1024;

export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxInputBytes) throw new AppError('too_large', 'standard input holds more than 1 MiB');
  }
  return Buffer.concat(chunks).toString('utf8');
}

export async function readUnseen(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  let typed = '';
  try {
    for await (const chunk of stdin) {
      for (const key of String(chunk)) {
        if (key === '\r' || key === '\n' || key === '\x04') return typed;
        if (key === '\x03') throw new AppError('bad_request', 'stopped');
        if (key === '\x7f' || key === '\b') typed = typed.slice(0, -1);
        else typed += key;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
