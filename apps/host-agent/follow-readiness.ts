// Follows one container of a pod to its readiness, by the rule that the pod carries. Called by pod-runner.ts beside the wait for the end.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '@berth/contract/instance.ts';
import type { StartFailure } from './explain-silence.ts';
import type { RunningContainer } from './running-container.ts';
import { waitPortReady } from './wait-ready.ts';

/** Resolves when there is nothing more to follow: with a failure when the container must be killed. Calls `onReady` at most once. */
export async function followReadiness(
  pod: Pod,
  running: RunningContainer,
  signal: AbortSignal,
  onReady: (port: number | null) => void,
): Promise<StartFailure | undefined> {
  const { readiness } = pod;
  if (readiness.kind === 'port') {
    const asked = { ...readiness, port: readiness.checkPort ?? readiness.port };
    const outcome = await waitPortReady(asked, running, signal);
    if ('failure' in outcome) return outcome.failure;
    if ('ready' in outcome) onReady(readiness.port);
    return undefined;
  }
  if (readiness.kind === 'running') {
    // an adopted one has run long enough already
    const waitMs = running.isAdopted ? 0 : readiness.stableMs;
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) onReady(null);
    return undefined;
  }
  onReady(null);
  await sleep(readiness.timeoutSeconds * 1000, undefined, { signal }).catch(() => {});
  if (signal.aborted) return undefined;
  return { fatal: 'other', message: `took longer than ${readiness.timeoutSeconds} s and was killed` };
}
