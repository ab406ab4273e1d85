// Sets the config vars that a build's manifest brings, in the transaction of its release. What the app has is left alone, and what a
// user has unset stays unset. Values may be generated secrets: they go from the builder into the sealed version and nowhere else.
import type { Queryable } from '@berth/store/database.ts';
import { type AppRow, listUnsetVars, takeNumber } from '@berth/store/queries/apps.ts';
import { insertConfigVersion } from '@berth/store/queries/config-versions.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import type { Services } from '../services.ts';
import { checkConfigChange, readVars } from './change-config.ts';

/** The number of the config vars that the release has. The app's row must be locked. */
export async function giveVars(
  services: Pick<Services, 'sealer'>,
  tx: Queryable,
  app: AppRow,
  userId: string,
  newVars: Readonly<Record<string, string>> = {},
): Promise<number> {
  const unset = await listUnsetVars(tx, app.id);
  const vars = await readVars(services, tx, app.id, app.config_number);
  // A user may have set one since the build began: theirs counts.
  const names = Object.keys(newVars).filter((name) => !Object.hasOwn(vars, name) && !unset.includes(name));
  if (names.length === 0) return app.config_number;
  const all = { ...vars, ...Object.fromEntries(names.map((name) => [name, newVars[name] ?? ''])) };
  checkConfigChange(app.name, newVars, all);
  const number = await takeNumber(tx, app.id, 'next_config');
  await insertConfigVersion(tx, app.id, number, userId, services.sealer.seal(app.id, all));
  await recordEvent(tx, {
    appId: app.id,
    userId,
    kind: 'config.change',
    data: { version: number, keys: names },
  });
  return number;
}
