// Stopping, killing and pausing. Called by the API and by remove with force.
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { publishContainer } from './describe-event.ts';
import type { ContainerFinisher } from './finish-container.ts';
import { signalNumber } from './signals.ts';

export interface StopParts {
  files: ContainerFiles;
  finisher: ContainerFinisher;
  events: Events;
}

const defaultGraceSeconds = 10;
const killLimitMs = 15_000; // SIGKILL cannot be refused, but a process stuck in the kernel can hold it back

/** The stop signal, then SIGKILL after the grace time; -1 waits for ever. False when it does not run. */
export async function stopContainer(
  container: Container,
  parts: StopParts,
  options: { graceSeconds?: number; signal?: string } = {},
): Promise<boolean> {
  await container.settled();
  markStopped(container, parts);
  if (container.status === 'restarting') {
    parts.finisher.giveUp(container);
    return true;
  }
  if (!container.isRunning) return false;
  const { config } = container.record;
  const graceSeconds = options.graceSeconds ?? config.StopTimeout ?? defaultGraceSeconds;
  const ended = container.wait('next-exit');
  const signal = signalNumber(options.signal || config.StopSignal || 'SIGTERM');
  if (container.status === 'paused') await resume(container);
  publishKill(container, parts, signal);
  await sendSignal(container, signal);
  const isEnded = await within(
    ended,
    graceSeconds < 0 ? 0 : Math.max(1, graceSeconds * 1000),
    graceSeconds < 0,
  );
  if (!isEnded) await killAndWait(container, ended, parts);
  publishContainer(parts.events, container, 'stop');
  return true;
}

/** SIGKILL now, and wait for the end. Nothing happens when it does not run. */
export async function killContainerNow(container: Container, parts: StopParts): Promise<void> {
  await container.settled();
  markStopped(container, parts);
  if (container.status === 'restarting') parts.finisher.giveUp(container);
  if (container.isRunning) await killAndWait(container, container.wait('next-exit'), parts);
}

export async function signalContainer(container: Container, signal: string, parts: StopParts): Promise<void> {
  const number = signalNumber(signal);
  if (!container.isRunning)
    throw new AppError(
      'conflict',
      `cannot kill container: ${container.record.name}: container ${container.id} is not running`,
    );
  const isFinal =
    number === signalNumber('SIGKILL') || signal === (container.record.config.StopSignal || 'SIGTERM');
  if (isFinal) markStopped(container, parts);
  if (number === signalNumber('SIGKILL')) {
    await killAndWait(container, container.wait('next-exit'), parts);
    return;
  }
  publishKill(container, parts, number);
  await sendSignal(container, number);
}

/** Before the signal goes out: the end that it may bring is told behind it. */
function publishKill(container: Container, { events }: StopParts, signal: number): void {
  publishContainer(events, container, 'kill', { signal: String(signal) });
}

export async function pauseContainer(container: Container, events: Events): Promise<void> {
  const shim = container.runningShim();
  if (container.status === 'paused')
    throw new AppError('conflict', `container ${container.id} is already paused`);
  await shim.pause();
  container.status = 'paused';
  publishContainer(events, container, 'pause');
}

export async function unpauseContainer(container: Container, events: Events): Promise<void> {
  if (container.status !== 'paused')
    throw new AppError('conflict', `container ${container.id} is not paused`);
  await resume(container);
  publishContainer(events, container, 'unpause');
}

async function resume(container: Container): Promise<void> {
  await container.runningShim().resume();
  if (container.status === 'paused') container.status = 'running';
}

/** Restart policies leave a container alone that somebody stopped. */
function markStopped(container: Container, { files }: StopParts): void {
  if (container.record.life.stoppedByUser) return;
  container.record.life.stoppedByUser = true;
  files.saveLife(container.record);
}

async function killAndWait(container: Container, ended: Promise<unknown>, parts: StopParts): Promise<void> {
  publishKill(container, parts, signalNumber('SIGKILL'));
  await sendSignal(container, signalNumber('SIGKILL'));
  if (!(await within(ended, killLimitMs, false)))
    throw new AppError('timeout', `container "${container.record.name}" did not end after SIGKILL`);
}

/** A container that ends while the signal is on its way is no error. */
async function sendSignal(container: Container, signal: number): Promise<void> {
  const { shim } = container;
  if (!shim) return;
  try {
    await shim.kill(signal);
  } catch (error) {
    const isGone = error instanceof AppError && ['unavailable', 'not_found'].includes(error.code);
    if (!isGone && systemCode(error) !== 'ESRCH') throw error;
  }
}

async function within(ended: Promise<unknown>, limitMs: number, forEver: boolean): Promise<boolean> {
  if (forEver) return ended.then(() => true);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  void ended.then(() => resolve(true));
  return promise.finally(() => clearTimeout(timer));
}
