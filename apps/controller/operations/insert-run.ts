// A one-off as a row: an instance of a release with a command of its own; the scheduler gives it a host. Called for `berth run`, for regular runs
// and for what a manifest wants run after a deployment. The app's row must be locked; whoever calls wakes the scheduler afterwards.
import type { Queryable } from '@berth/store/database.ts';
import { takeNumber, touchApp } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { insertInstance } from '@berth/store/queries/instances.ts';

export const runMemoryMb = 512;

export interface NewRun {
  appId: string;
  releaseId: string;
  gen: number;
  /** argv */
  command: string[];
  memoryMb?: number;
  /** Absent: nobody attaches. */
  terminal?: { attach: boolean; tty: boolean; rows: number; cols: number };
  /** Absent: the platform started it. */
  userId?: string;
  /** Why, when no user asked for it: "cron", "postdeploy". */
  because?: string;
}

export async function insertRun(tx: Queryable, run: NewRun): Promise<{ id: string; name: string }> {
  const slot = await takeNumber(tx, run.appId, 'next_run');
  const name = `run.${slot}`;
  const id = await insertInstance(tx, {
    appId: run.appId,
    releaseId: run.releaseId,
    gen: run.gen,
    processType: 'run',
    slot,
    hostId: null,
    oneOff: true,
    memoryMb: run.memoryMb ?? runMemoryMb,
    command: run.command,
    ...(run.terminal ? { terminal: run.terminal } : {}),
  });
  await touchApp(tx, run.appId);
  await recordEvent(tx, {
    appId: run.appId,
    ...(run.userId === undefined ? {} : { userId: run.userId }),
    kind: 'run.start',
    data: { name, ...(run.because === undefined ? { program: run.command[0] } : { because: run.because }) },
  });
  return { id, name };
}
