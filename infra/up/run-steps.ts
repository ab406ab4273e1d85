// Runs checks side by side and says how each ended: one line when well, its whole output when not. Used by `check` and `test`.
import { startCommand } from '@berth/kit/run-command.ts';

export interface CheckStep {
  name: string;
  argv: [string, ...string[]];
  cwd: string;
  env: Record<string, string>;
}

export interface CheckResult {
  name: string;
  exitCode: number;
  seconds: number;
  output: string;
}

/** A check that hangs must fail the run, not hold it: far above the slowest. */
const stepLimitMs = 10 * 60_000;

/** Runs one step to its end, keeping what it prints. Never throws: a program that is not there is a failed step. */
export function runStep(step: CheckStep): Promise<CheckResult> {
  const { promise, resolve } = Promise.withResolvers<CheckResult>();
  const startedAt = performance.now();
  const chunks: Buffer[] = [];
  const child = startCommand(step.argv, { cwd: step.cwd, env: step.env, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (exitCode: number, extra = '') => {
    clearTimeout(limit);
    const seconds = (performance.now() - startedAt) / 1000;
    resolve({ name: step.name, exitCode, seconds, output: Buffer.concat(chunks).toString('utf8') + extra });
  };
  const limit = setTimeout(() => child.kill('SIGKILL'), stepLimitMs);
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('error', (error) => end(127, error.message));
  child.on('close', (code) => end(code ?? 1));
  return promise;
}

/** Runs lanes side by side, the steps of a lane one after another; prints each result as it comes. */
export async function runLanes(lanes: readonly CheckStep[][]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const runLane = async (steps: CheckStep[]) => {
    for (const step of steps) {
      const result = await runStep(step);
      results.push(result);
      process.stdout.write(formatResult(result));
    }
  };
  await Promise.all(lanes.map(runLane));
  return results;
}

export function formatResult({ name, exitCode, seconds, output }: CheckResult): string {
  const line = `${exitCode === 0 ? '  ok  ' : ' FAIL '} ${name.padEnd(20)} ${seconds.toFixed(1)} s\n`;
  return exitCode === 0 ? line : `${line}${output.trimEnd()}\n`;
}
