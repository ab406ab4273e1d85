// What a release brings into force the moment it serves: its regular runs, and what its manifest wants run after a deployment.
// Called in the transaction that makes the release current, so that each is done exactly once, whoever dies.
import { nextTick, parseCron } from '@berth/kit/cron-schedule.ts';
import type { Queryable } from '@berth/store/database.ts';
import type { AppRow } from '@berth/store/queries/apps.ts';
import { type CronPlan, replaceCron } from '@berth/store/queries/cron.ts';
import type { DeploymentRow, ReleaseRow } from '@berth/store/queries/releases.ts';
import { shellCommand } from '../shell-command.ts';
import { insertRun, runMemoryMb } from './insert-run.ts';

export interface Aftermath {
  /** For the pusher. */
  lines: string[];
  hasRuns: boolean;
}

/** `app`: as it was before, with the release that served until now. */
export async function afterDeployment(
  tx: Queryable,
  app: AppRow,
  deployment: DeploymentRow,
  release: ReleaseRow,
): Promise<Aftermath> {
  const plans = cronPlans(release, new Date());
  await replaceCron(tx, app.id, plans);
  const lines: string[] = [];
  // A release that a push made has the push's output; a config change and a rollback have their own.
  const isPush = deployment.kind === 'release' && release.output_id !== release.id;
  if (isPush && plans.length > 0)
    lines.push(`       ${plans.length === 1 ? '1 regular run' : `${plans.length} regular runs`}: berth cron`);
  const { first, each } = release.manifest.postdeploy ?? {};
  const wanted = [
    ...(app.current_release_id === null && first !== undefined ? [first] : []),
    ...(isPush && each !== undefined ? [each] : []),
  ];
  for (const command of wanted) {
    const run = await insertRun(tx, {
      appId: app.id,
      releaseId: release.id,
      gen: deployment.gen,
      command: shellCommand(command),
      because: 'postdeploy',
    });
    lines.push(`       postdeploy runs as ${run.name}: berth logs`);
  }
  return { lines, hasRuns: wanted.length > 0 };
}

/** An entry that is there twice is one. */
function cronPlans(release: ReleaseRow, now: Date): CronPlan[] {
  const plans = new Map<string, CronPlan>();
  for (const { schedule, command, memoryMb = runMemoryMb } of release.manifest.cron ?? []) {
    const parsed = parseCron(schedule);
    // The builder has refused what is none; a row of another version must not stop a deployment.
    const nextAt = typeof parsed === 'string' ? undefined : nextTick(parsed, now);
    if (nextAt) plans.set(`${schedule}\n${command}`, { schedule, command, memoryMb, nextAt });
  }
  return [...plans.values()];
}
