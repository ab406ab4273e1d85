// The clock of regular runs: every 2 s, entries whose minute has come get a one-off, in the transaction that moves them on to their next minute.
// So a minute is never run twice, and a controller that dies or two that live lose or double nothing.
import { nextTick, parseCron } from '@berth/kit/cron-schedule.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { lockApp } from '@berth/store/queries/apps.ts';
import { appsWithDueCron, type CronRow, dueCron, moveCron } from '@berth/store/queries/cron.ts';
import { insertRun } from './operations/insert-run.ts';
import type { Services } from './services.ts';
import { shellCommand } from './shell-command.ts';

/** A user expects the minute, not the second; a query of an empty index costs nothing. */
const everyMs = 2_000;
/** A platform that was away for longer does not start at noon what was meant for the night. */
const maxLateSeconds = 300;
/** Far beyond any calendar: an entry whose expression cannot be read (of another version) never runs. */
const never = new Date('9999-01-01T00:00:00Z');

type Needed = Pick<Services, 'db' | 'hints'>;

/** Starts the clock; returns how to stop it. */
export function startCron(services: Needed, log: Logger): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return; // a slow database must not pile up work
    running = true;
    runDueCron(services)
      .catch((err: unknown) => log.warn({ err }, 'regular runs could not be started; tried again in 2 s'))
      .finally(() => {
        running = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}

export async function runDueCron(services: Needed): Promise<void> {
  for (const appId of await appsWithDueCron(services.db)) {
    const started = await runDueOfApp(services, appId);
    if (started > 0) services.hints.app(appId);
  }
}

function runDueOfApp({ db }: Needed, appId: string): Promise<number> {
  return db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    let started = 0;
    for (const entry of await dueCron(tx, appId)) {
      const schedule = parseCron(entry.schedule);
      const nextAt = (typeof schedule === 'string' ? undefined : nextTick(schedule, new Date())) ?? never;
      const note = reasonToSkip(entry);
      if (note !== null || !app || app.deleted_at || app.current_release_id === null) {
        await moveCron(tx, appId, entry, { nextAt, note });
        continue;
      }
      const run = await insertRun(tx, {
        appId,
        releaseId: app.current_release_id,
        gen: app.current_gen,
        command: shellCommand(entry.command),
        memoryMb: entry.memory_mb,
        because: 'cron',
      });
      await moveCron(tx, appId, entry, { nextAt, note: null, run });
      started++;
    }
    return started;
  });
}

/** One at a time: a run that takes longer than its interval must not pile up. */
function reasonToSkip(entry: CronRow & { late_s: number }): string | null {
  const minute = entry.next_at.toISOString().slice(0, 16).replace('T', ' ');
  if (entry.running) return `${minute} left out: ${entry.last_name} had not ended`;
  if (entry.late_s > maxLateSeconds) return `${minute} left out: the platform was away`;
  return null;
}
