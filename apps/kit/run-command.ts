// The only door to other programs: an argv array, never a shell string. Used by every part that starts git, postgres, redis or nft.
// Must never log argv values that could be secrets; output kept in memory is bounded.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { AppError } from './errors.ts';

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Uint8Array;
  /** Kill after this long (SIGKILL): a hung child must not hold its caller for ever. Default 60 s. */
  timeoutMs?: number;
  /** Bytes of stdout and of stderr kept, each; more fails the run. Default 16 MiB. */
  maxOutputBytes?: number;
  uid?: number;
  gid?: number;
  signal?: AbortSignal;
}

export interface RunResult {
  exitCode: number;
  stdout: Buffer;
  stderr: string;
}

/** Starts a program and hands the child over; the caller owns its streams and its end. */
export function startCommand(argv: readonly [string, ...string[]], options: SpawnOptions): ChildProcess {
  const [file, ...args] = argv;
  return spawn(file, args, { ...options, shell: false });
}

/** Runs a program to its end. A non-zero exit is a result, not an error; failing to start, the time limit and the output limit are errors. */
export async function runCommand(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const { timeoutMs = 60_000, maxOutputBytes = 16 * 1024 * 1024 } = options;
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const child = startCommand(argv, {
    cwd: options.cwd,
    env: options.env,
    uid: options.uid,
    gid: options.gid,
    signal: options.signal,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let failure: AppError | undefined;
  const fail = (error: AppError) => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const collect = (into: Buffer[]) => {
    let size = 0;
    return (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxOutputBytes)
        fail(new AppError('too_large', `"${argv[0]}" printed more than ${maxOutputBytes} bytes`));
      else into.push(chunk);
    };
  };
  const timer = setTimeout(
    () => fail(new AppError('timeout', `"${argv[0]}" took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  child.stdout?.on('data', collect(stdout));
  child.stderr?.on('data', collect(stderr));
  child.stdin?.on('error', () => {}); // the child may exit before it reads its input; its exit code tells
  child.stdin?.end(options.input);
  child.on('error', (cause) => {
    clearTimeout(timer);
    reject(new AppError('internal', `cannot run "${argv[0]}"`, { detail: cause.message, cause }));
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (failure) return reject(failure);
    const exitCode = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
    resolve({ exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') });
  });
  return promise;
}

/** Like runCommand, but a non-zero exit is an `internal` error with the end of stderr as detail. */
export async function runCommandOk(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await runCommand(argv, options);
  if (result.exitCode !== 0)
    throw new AppError('internal', `"${argv[0]}" failed with exit code ${result.exitCode}`, {
      detail: result.stderr.trim().slice(-2000),
    });
  return result;
}
