// Ties this terminal to a running one-off: keys, size, signals there; output and exit code back. Called by `berth run`.
// Must always give the terminal back as it was.
import type { Duplex } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { FrameReader, frame, fromServer, toServer } from './run-frames.ts';

/** The exit code of the process. Throws `unavailable` when the connection ends without one. */
export async function attachRun(socket: Duplex, head: Buffer, tty: boolean): Promise<number> {
  const release = tty ? takeTerminal(socket) : passSignals(socket);
  sendInput(socket);
  try {
    return await receive(socket, head);
  } finally {
    release();
    process.stdin.removeAllListeners('data').removeAllListeners('end').pause();
    process.stdin.unref?.();
    socket.destroy();
  }
}

function sendInput(socket: Duplex): void {
  const { stdin } = process;
  stdin.on('data', (chunk: Buffer) => {
    // frames have a limit; a pipe's chunks are 64 KiB at most
    if (socket.write(frame(toServer.stdin, chunk))) return;
    stdin.pause();
    socket.once('drain', () => stdin.resume());
  });
  stdin.on('end', () => socket.write(frame(toServer.stdinEnd)));
}

async function receive(socket: Duplex, head: Buffer): Promise<number> {
  const reader = new FrameReader();
  if (head.length > 0) socket.unshift(head);
  try {
    for await (const chunk of socket) {
      for (const { type, payload } of reader.read(chunk as Buffer)) {
        if (type === fromServer.stdout) await write(process.stdout, payload);
        else if (type === fromServer.stderr) await write(process.stderr, payload);
        else if (type === fromServer.status) process.stderr.write(`${payload.toString('utf8')}\n`);
        else if (type === fromServer.exit) return exitCode(payload);
      }
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('unavailable', 'the connection to the run broke', { cause });
  }
  throw new AppError('unavailable', 'the connection to the run ended before the run did');
}

function exitCode(payload: Buffer): number {
  const { exitCode: code, message } = JSON.parse(payload.toString('utf8')) as {
    exitCode: number;
    message?: string;
  };
  if (message !== undefined && message !== '') process.stderr.write(` !     ${message}\n`);
  return code;
}

/** A slow reader of ours slows the run down instead of filling memory. */
async function write(stream: NodeJS.WriteStream, payload: Buffer): Promise<void> {
  if (stream.write(payload)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('drain', resolve);
  await promise;
}

function takeTerminal(socket: Duplex): () => void {
  const { stdin, stdout } = process;
  const resize = () => {
    const size = { rows: stdout.rows || 24, cols: stdout.columns || 80 };
    socket.write(frame(toServer.resize, JSON.stringify(size)));
  };
  stdin.setRawMode(true);
  stdout.on('resize', resize);
  return () => {
    stdout.off('resize', resize);
    stdin.setRawMode(false);
  };
}

/** Without a terminal Ctrl-C reaches us, not the run: hand it on. A second one within two seconds ends us. */
function passSignals(socket: Duplex): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const pass = (signal: NodeJS.Signals) => {
    if (performance.now() - last < 2000) process.exit(130);
    last = performance.now();
    socket.write(frame(toServer.signal, JSON.stringify({ signal })));
  };
  process.on('SIGINT', pass).on('SIGTERM', pass);
  return () => void process.off('SIGINT', pass).off('SIGTERM', pass);
}
