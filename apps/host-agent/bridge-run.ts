// Joins a user's connection (frames of run.ts) with a container's streams: input, output, window size, signals, and the exit at the end.
// A user who goes away ends an attached run: SIGHUP, as a terminal that closes, then SIGKILL.
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { AttachedStream } from '@berth/clients/engine-streams.ts';
import { runFrames } from '@berth/contract/run.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { encodeFrame, type Frame, FrameReader } from './attach-frames.ts';

/** Between SIGHUP and SIGKILL for a run whose user is gone. */
const hangUpGraceMs = 10_000;
/** Output still under way when the container has ended; its streams close right after it. */
const drainLimitMs = 2_000;
const allowedSignals: ReadonlySet<string> = new Set([
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
]);

export interface RunBridge {
  /** The container runs: the window gets its size. */
  started(): void;
  /** Sends what is left of the output, the exit frame, and closes. */
  finish(exitCode: number, message?: string): Promise<void>;
}

export interface BridgeOptions {
  engine: Pick<EngineClient, 'killContainer' | 'resizeContainer'>;
  log: Logger;
  containerId: string;
  user: Duplex;
  container: AttachedStream;
  /** The window's size at the start, for a terminal. */
  rows?: number;
  cols?: number;
}

export function bridgeRun(options: BridgeOptions): RunBridge {
  const { user, container, log } = options;
  let isFinished = false;
  const output = pumpOutput(container, user).catch((err: unknown) => log.debug({ err }, 'run output broke'));
  const reader = new FrameReader();
  user.on('data', (chunk: Buffer) => {
    try {
      for (const frame of reader.push(chunk)) takeFrame(frame, options);
    } catch (err) {
      log.warn({ err }, 'bad frame from an attached user');
      user.destroy();
    }
  });
  user.on('end', () => user.destroy()); // the end of input has a frame of its own: this is the user leaving
  user.on('error', () => {}); // 'close' follows and says the same
  user.on('close', () => {
    if (!isFinished) void hangUp(options, () => isFinished);
  });
  user.resume();
  return {
    started: () => {
      const { engine, containerId, rows, cols } = options;
      if (isSize(rows) && isSize(cols)) void engine.resizeContainer(containerId, rows, cols).catch(() => {});
    },
    finish: async (exitCode, message) => {
      await Promise.race([output, sleep(drainLimitMs, undefined, { ref: false })]);
      isFinished = true;
      container.socket.destroy();
      user.end(encodeFrame(runFrames.exit, JSON.stringify({ exitCode, ...(message ? { message } : {}) })));
    },
  };
}

async function pumpOutput(container: AttachedStream, user: Duplex): Promise<void> {
  for await (const { stream, data } of container.output()) {
    if (user.destroyed) continue; // the container goes on until its hang-up; its output is lost to nobody
    const type = stream === 'stderr' ? runFrames.stderr : runFrames.stdout;
    if (!user.write(encodeFrame(type, data))) await drained(user);
  }
}

function drained(user: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const finish = () => {
    user.off('drain', finish);
    user.off('close', finish);
    resolve();
  };
  user.on('drain', finish);
  user.on('close', finish);
  return promise;
}

function takeFrame({ type, payload }: Frame, options: BridgeOptions): void {
  const { engine, container, containerId, user } = options;
  if (type === runFrames.stdin) {
    if (!container.socket.writable || container.socket.write(payload)) return;
    user.pause(); // a program that does not read must not fill our memory
    container.socket.once('drain', () => user.resume());
  } else if (type === runFrames.stdinEnd) container.socket.end();
  else if (type === runFrames.resize) {
    const { rows, cols } = JSON.parse(payload.toString('utf8')) as { rows?: unknown; cols?: unknown };
    if (isSize(rows) && isSize(cols)) void engine.resizeContainer(containerId, rows, cols).catch(() => {});
  } else if (type === runFrames.signal) {
    const { signal } = JSON.parse(payload.toString('utf8')) as { signal?: unknown };
    if (typeof signal === 'string' && allowedSignals.has(signal))
      void engine.killContainer(containerId, signal).catch(() => {});
  }
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1000;
}

async function hangUp({ engine, containerId, log }: BridgeOptions, isOver: () => boolean): Promise<void> {
  log.info({ container: containerId }, 'user of an attached run is gone');
  await engine.killContainer(containerId, 'SIGHUP').catch(() => {});
  await sleep(hangUpGraceMs, undefined, { ref: false });
  if (!isOver()) await engine.killContainer(containerId, 'SIGKILL').catch(() => {});
}
