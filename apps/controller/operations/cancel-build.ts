// Cancels a build that has not ended; the builder learns it with its next report, the pusher at once.
import { AppError } from '@berth/kit/errors.ts';
import { buildByNumber, endBuild } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

export async function cancelBuild(
  services: Pick<Services, 'db' | 'output'>,
  user: User,
  appId: string,
  number: number,
): Promise<void> {
  const build = await buildByNumber(services.db, appId, number);
  if (!build) throw new AppError('not_found', `there is no build ${number}`, { hint: 'see: berth builds' });
  const error = `canceled by ${user.name}`;
  const done = await services.db.transaction(async (tx) => {
    const ended = await endBuild(tx, build.id, { status: 'canceled', error });
    if (ended)
      await recordEvent(tx, { appId, userId: user.id, kind: 'build.canceled', data: { build: number } });
    return ended;
  });
  if (!done) throw new AppError('conflict', `build ${number} has ended already (${build.status})`);
  if (build.push_id) services.output.ring(build.push_id);
}
