// Runs one command in an engine container within the build's limits and gives the stopped container back for its layer.
// Called by make-layers.ts and build-stack.ts. The caller removes the container, whatever happens here.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { CreateContainer } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { BuildLimits } from '../config.ts';
import { OutputLines } from '../report/output-lines.ts';

export const buildNetwork = 'berth-builds';

export interface ContainerRun {
  image: string;
  /** For `/bin/sh -e`, or a program with its arguments. */
  script: string | readonly string[];
  /** A name that the image knows, or numbers ("1000:1000"). */
  user: string;
  env: Record<string, string>;
  binds: readonly string[];
  labels: Record<string, string>;
  /** Containers with the same word share a range of user ids. */
  userns: string;
  workingDir: string;
  /** Absent: the network of builds. */
  network?: 'none';
}

export interface RunWatch {
  limits: BuildLimits;
  signal: AbortSignal;
  /** Hides config vars' values: also in `tail`, and before a long line is cut. */
  mask: (text: string) => string;
  /** Each line of output, cleaned and masked; and how many bytes it came from. */
  onLine: (line: string) => void;
  onBytes: (bytes: number) => void;
  /** A command that is silent for so long is said to be still running: nobody can tell slow from stuck otherwise. Default 30 s. */
  silenceMs?: number;
  /** Told at once, so that a failing create or start leaves no container behind. */
  onCreated: (container: string) => void;
}

export interface RunEnd {
  exitCode: number;
  /** The last output, for the explanation of a failure. */
  tail: string;
}

/** Enough for any tool's error message; the rest is in the log. */
const tailChars = 64 * 1024;

/** Ends with the command's exit code; over-runs of memory or disk and an abort are errors. */
export async function runContainer(
  engine: EngineClient,
  run: ContainerRun,
  watch: RunWatch,
): Promise<RunEnd> {
  watch.signal.throwIfAborted();
  const container = await engine.createContainer(containerBody(run, watch.limits));
  watch.onCreated(container);
  const kill = () => void engine.killContainer(container).catch(() => {}); // gone already: its end is on the way
  const attached = await engine.attach(container);
  const output = readOutput(attached.output(), watch);
  try {
    watch.signal.throwIfAborted();
    await engine.startContainer(container);
    watch.signal.addEventListener('abort', kill, { once: true });
    if (watch.signal.aborted) kill();
    const tail = await output;
    const { exitCode } = await engine.waitContainer(container);
    watch.signal.throwIfAborted();
    if (exitCode !== 0) await throwOverrun(engine, container, watch.limits);
    return { exitCode, tail };
  } finally {
    watch.signal.removeEventListener('abort', kill);
    attached.socket.destroy();
    await output.catch(() => {});
  }
}

/** Pure: what the engine is asked for. */
export function containerBody(run: ContainerRun, limits: BuildLimits): CreateContainer {
  return {
    Image: run.image,
    Entrypoint: [],
    Cmd: typeof run.script === 'string' ? ['/bin/sh', '-e', '-c', run.script] : run.script,
    Env: Object.entries(run.env).map(([name, value]) => `${name}=${value}`),
    User: run.user,
    WorkingDir: run.workingDir,
    Hostname: 'build',
    Labels: { ...run.labels, 'berth.userns': run.userns },
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      CpuShares: limits.cpuShares,
      PidsLimit: limits.pids,
      StorageOpt: { size: String(limits.diskBytes) },
      NetworkMode: run.network ?? buildNetwork,
      Init: true,
      Binds: run.binds,
      SecurityOpt: ['no-new-privileges'],
      // When the host itself runs out of memory, a build goes before an app.
      OomScoreAdj: 500,
      // The output is taken from the attached stream; the engine's own log is not needed.
      LogConfig: { Type: 'json-file', Config: { 'max-size': '64k', 'max-file': '1' } },
    },
  };
}

async function readOutput(
  chunks: AsyncGenerator<{ stream: 'stdout' | 'stderr'; data: Buffer }>,
  watch: RunWatch,
): Promise<string> {
  const lines = { stdout: new OutputLines(watch.mask), stderr: new OutputLines(watch.mask) };
  const silence = watchSilence(watch);
  let tail = '';
  const take = (line: string) => {
    tail = `${tail}${line}\n`.slice(-tailChars);
    watch.onLine(line);
  };
  try {
    for await (const { stream, data } of chunks) {
      silence.broken();
      watch.onBytes(data.length);
      if (watch.signal.aborted) continue; // it is being killed: what it still prints helps nobody
      for (const line of lines[stream].push(data)) take(line);
    }
  } finally {
    silence.end();
  }
  for (const line of [...lines.stdout.end(), ...lines.stderr.end()]) take(line);
  return tail;
}

async function throwOverrun(engine: EngineClient, container: string, limits: BuildLimits): Promise<void> {
  const { State } = await engine.inspectContainer(container);
  if (/disk quota/i.test(State.Error)) throw wroteTooMuch(limits);
  if (State.OOMKilled)
    throw new AppError(
      'build_failed',
      `the build used more than ${megabytes(limits.memoryBytes)} MB of memory`,
      {
        hint: "use less, or ask the platform's operator for a larger BERTH_BUILD_MEMORY_MB",
      },
    );
}

export function wroteTooMuch(limits: BuildLimits): AppError {
  return new AppError('build_failed', `the build wrote more than ${megabytes(limits.diskBytes)} MB`, {
    hint: "write less, or ask the platform's operator for a larger BERTH_BUILD_DISK_MB",
  });
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function watchSilence({ silenceMs = 30_000, onLine, signal }: RunWatch): { broken(): void; end(): void } {
  const begun = performance.now();
  const timer = setInterval(() => {
    if (!signal.aborted) onLine(`(still running after ${Math.round((performance.now() - begun) / 1000)} s)`);
  }, silenceMs);
  return { broken: () => timer.refresh(), end: () => clearInterval(timer) };
}
