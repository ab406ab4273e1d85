// The graceful end of one container of a pod: its preStop hook and its stop signal within the grace time, then SIGKILL. Called for a stop of the
// pod, which a user asked for, and for a failed liveness probe, after which the restart policy holds.
import type { Container } from '../containers/container.ts';
import { signalNumber } from '../containers/signals.ts';
import { type StopParts, stopContainer } from '../containers/stop-container.ts';
import type { ContainerPlan } from './pod-spec.ts';
import { execProbe } from './probe-action.ts';

const leastSeconds = 2; // what a program still gets when its preStop hook took the whole grace time
const killLimitMs = 15_000; // SIGKILL cannot be refused, but a process stuck in the kernel can hold it back

export async function stopMember(
  container: Container,
  plan: ContainerPlan | undefined,
  graceSeconds: number,
  parts: StopParts,
): Promise<void> {
  const left = await runPreStop(container, plan, graceSeconds);
  await stopContainer(container, parts, { graceSeconds: left });
}

/** Leaves no mark that somebody stopped it. */
export async function endMember(
  container: Container,
  plan: ContainerPlan,
  graceSeconds: number,
): Promise<void> {
  const left = await runPreStop(container, plan, graceSeconds);
  const { shim } = container;
  if (!shim || !container.isRunning) return;
  const ended = container.wait('next-exit');
  const signal = signalNumber(container.record.config.StopSignal || 'SIGTERM');
  if (container.status === 'paused') await shim.resume().catch(() => {});
  await shim.kill(signal).catch(() => {}); // it ended meanwhile
  if (await within(ended, left * 1000)) return;
  await container.shim?.kill(signalNumber('SIGKILL')).catch(() => {});
  await within(ended, killLimitMs);
}

/** Gives the seconds that are left for the program itself. */
async function runPreStop(
  container: Container,
  plan: ContainerPlan | undefined,
  graceSeconds: number,
): Promise<number> {
  if (!plan?.preStop || container.status !== 'running' || graceSeconds === 0) return graceSeconds;
  const beganMs = performance.now();
  await execProbe(container, plan.preStop, graceSeconds * 1000).catch(() => {}); // its failure does not hold the end back
  const tookSeconds = (performance.now() - beganMs) / 1000;
  return Math.max(Math.min(leastSeconds, graceSeconds), Math.ceil(graceSeconds - tookSeconds));
}

async function within(ended: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  void ended.then(() => resolve(true));
  return promise.finally(() => clearTimeout(timer));
}
