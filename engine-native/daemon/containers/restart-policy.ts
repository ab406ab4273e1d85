// When a container is started again and after how long. Pure.
import type { ContainerRecord } from './container-config.ts';

const firstDelayMs = 100;
const maxDelayMs = 60_000;
/** A run this long counts as healthy: the next failure starts with the short delay again. */
export const healthyRunMs = 10_000;

/** After an exit. */
export function shouldRestart({ hostConfig, life }: ContainerRecord): boolean {
  const { Name, MaximumRetryCount } = hostConfig.RestartPolicy;
  if (life.stoppedByUser) return false;
  if (Name === 'always' || Name === 'unless-stopped') return true;
  if (Name !== 'on-failure' || life.exitCode === 0) return false;
  return MaximumRetryCount === 0 || life.restartCount < MaximumRetryCount;
}

/** When the daemon starts and finds the container not running: `always` also brings back what a user had stopped. */
export function shouldStartWithDaemon(record: ContainerRecord): boolean {
  if (record.life.startedAt === '') return false;
  return record.hostConfig.RestartPolicy.Name === 'always' || shouldRestart(record);
}

/** Doubles from 100 ms to a minute, so that a crash loop costs little. */
export function restartDelayMs(restartCount: number): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(restartCount, 16));
}
