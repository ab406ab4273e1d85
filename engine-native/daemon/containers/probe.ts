// One run of a health check's command inside a container, through its shim, with a limit on time and on output. Called by health.ts and by the probes of pods.
import type { Socket } from 'node:net';
import type { ProcessSpec } from '../runtime/container-spec.ts';
import { groupsOf, processEnv } from './build-spec.ts';
import type { Container } from './container.ts';

export interface ProbeResult {
  /** 0 is healthy; -1 when it did not end in time or could not be started. */
  exitCode: number;
  output: string;
}

/** What is kept of a probe's output, as Docker does. */
const maxOutputBytes = 4096;
const sigkill = 9;

/** Runs a command in a running container as its own user, in its own folder, with its own environment. */
export async function runProbe(
  container: Container,
  command: string[],
  timeoutMs: number,
): Promise<ProbeResult> {
  const shim = container.runningShim();
  const process = processOf(container, command);
  const { pid, socket } = await shim.exec({ process, stdin: false, privileged: false, detach: false });
  const reader = new ProbeReader(socket);
  const { promise: late, resolve: giveUp } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => giveUp(undefined), timeoutMs);
  try {
    const exitCode = await Promise.race([reader.exitCode, late]);
    if (exitCode !== undefined) return { exitCode, output: reader.output };
    await shim.killExec(pid, sigkill).catch(() => {}); // it ended meanwhile
    const said = reader.output === '' ? '' : `: ${reader.output}`;
    return { exitCode: -1, output: `Health check exceeded timeout (${spokenTime(timeoutMs)})${said}` };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** 1m30s, 500ms: as Go writes durations. */
function spokenTime(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds}s`;
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Takes the frames of an exec's stream apart: the first bytes of output, and the last frame with the exit code. */
class ProbeReader {
  readonly exitCode: Promise<number>;
  #kept = Buffer.alloc(0);
  #pending: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.exitCode = promise;
    socket.on('data', (chunk: Buffer) => {
      const exitCode = this.#take(chunk);
      if (exitCode !== undefined) resolve(exitCode);
    });
    socket.on('close', () => resolve(-1)); // the container ended in the middle of it
    socket.resume();
  }

  get output(): string {
    return this.#kept.toString('utf8');
  }

  #take(chunk: Buffer): number | undefined {
    let rest: Buffer = Buffer.concat([this.#pending, chunk]);
    while (rest.length >= 8) {
      const length = rest.readUInt32BE(4);
      if (rest.length < 8 + length) break;
      const payload = rest.subarray(8, 8 + length);
      if (rest[0] === 3) return exitCodeOf(payload);
      const room = maxOutputBytes - this.#kept.length;
      if (room > 0) this.#kept = Buffer.concat([this.#kept, payload.subarray(0, room)]);
      rest = rest.subarray(8 + length);
    }
    this.#pending = Buffer.from(rest);
    return undefined;
  }
}

function exitCodeOf(payload: Buffer): number {
  try {
    return Number((JSON.parse(payload.toString('utf8')) as { exitCode?: unknown }).exitCode ?? -1);
  } catch {
    return -1;
  }
}

function processOf({ record: { config, hostConfig } }: Container, command: string[]): ProcessSpec {
  return {
    args: command,
    env: processEnv(config.Env, config.Hostname, false),
    cwd: config.WorkingDir || '/',
    user: config.User,
    ...groupsOf(hostConfig),
    tty: false,
    rows: 0,
    cols: 0,
    stdin: false,
  };
}
