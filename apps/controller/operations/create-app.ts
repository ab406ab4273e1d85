// Makes an app: its name, its built-in hostname, an empty first version of its config vars.
import { appNamePattern, reservedAppNames } from '@berth/contract/names.ts';
import { AppError } from '@berth/kit/errors.ts';
import { violates } from '@berth/store/database.ts';
import {
  type AppRow,
  appById,
  insertApp,
  insertBuiltinDomain,
  takeNumber,
} from '@berth/store/queries/apps.ts';
import { insertConfigVersion } from '@berth/store/queries/config-versions.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

const adjectives = [
  'brisk',
  'calm',
  'clear',
  'deep',
  'fair',
  'firm',
  'fleet',
  'keen',
  'level',
  'steady',
  'still',
  'swift',
];
const nouns = [
  'bay',
  'buoy',
  'cove',
  'current',
  'dock',
  'harbor',
  'inlet',
  'keel',
  'mooring',
  'pier',
  'quay',
  'tide',
];

export async function createApp(
  services: Pick<Services, 'db' | 'sealer' | 'routes' | 'config'>,
  user: User,
  wanted: string | undefined,
): Promise<AppRow> {
  const name = wanted ?? inventName();
  checkAppName(name);
  const id = await services.db
    .transaction(async (tx) => {
      const appId = await insertApp(tx, name, user.id);
      await insertBuiltinDomain(tx, appId, `${name}.${services.config.BERTH_DOMAIN}`);
      const number = await takeNumber(tx, appId, 'next_config');
      await insertConfigVersion(tx, appId, number, user.id, services.sealer.seal(appId, {}));
      await recordEvent(tx, { appId, userId: user.id, kind: 'app.create', data: { name } });
      return appId;
    })
    .catch((error: unknown) => {
      if (violates(error, 'apps_name') || violates(error, 'domains_hostname_key'))
        throw new AppError('conflict', `the name "${name}" is taken`, {
          hint: 'choose another: berth create NAME',
        });
      throw error;
    });
  await services.routes.refresh(id);
  const app = await appById(services.db, id);
  if (!app) throw new AppError('internal', `the app "${name}" vanished while it was made`);
  return app;
}

export function checkAppName(name: string): void {
  if (!new RegExp(appNamePattern).test(name))
    throw new AppError('invalid', `"${name}" cannot be the name of an app`, {
      hint: 'use 2 to 30 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen',
    });
  if (reservedAppNames.has(name))
    throw new AppError('invalid', `the name "${name}" is reserved for the platform`, {
      hint: 'choose another name',
    });
}

function inventName(random = Math.random): string {
  const pick = (words: string[]) => words[Math.floor(random() * words.length)];
  return `${pick(adjectives)}-${pick(nouns)}-${Math.floor(1000 + random() * 9000)}`;
}
