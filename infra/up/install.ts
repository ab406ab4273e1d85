// `node infra/up/bootstrap.mjs install`: a systemd service that runs the platform at boot, with the settings of this call.
// Started by bootstrap.mjs as root. Does nothing but say so where systemd does not run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { compileCache, type Platform, passedEnvironment, readPlatform } from './config.ts';
import { showError } from './show-error.ts';
import { renderUnit } from './systemd-unit.ts';

const repository = join(import.meta.dirname, '../..');
const unitPath = '/etc/systemd/system/berth.service';

async function install(platform: Platform): Promise<void> {
  if (!existsSync('/run/systemd/system'))
    throw new AppError('unsupported', 'systemd does not run here', {
      hint: 'start the platform with `npm run up -- --detach` from your own init',
    });
  const template = readFileSync(join(repository, 'infra/systemd/berth.service'), 'utf8');
  const unit = renderUnit(template, {
    node: process.execPath,
    repository,
    environment: environmentOf(platform),
  });
  writeFileSync(unitPath, unit, { mode: 0o600 }); // a DATABASE_URL in it may hold a password
  const env = { PATH: '/usr/bin:/bin' };
  await runCommandOk(['systemctl', 'daemon-reload'], { env });
  await runCommandOk(['systemctl', 'enable', '--now', 'berth.service'], { env });
  process.stdout.write(`-----> berth.service runs, now and at every boot\n       ${unitPath}\n`);
}

/** What the service sees: the settings of this call, whole, since nothing of the caller's shell is there at boot. */
function environmentOf(platform: Platform): Record<string, string> {
  // The way to registries behind a proxy or a private CA, and settings of single parts; systemd's own PATH, not the caller's.
  const { PATH: _, ...passed } = passedEnvironment();
  return {
    ...passed,
    BERTH_DATA: platform.dataDir,
    BERTH_DOMAIN: platform.domain,
    BERTH_HTTP_HOST: platform.httpHost,
    BERTH_HTTP_PORT: String(platform.httpPort),
    BERTH_API_PORT: String(platform.apiPort),
    NODE_COMPILE_CACHE: compileCache,
    HOME: '/root',
    ...(platform.databaseUrl === '' ? {} : { DATABASE_URL: platform.databaseUrl }),
    ...(platform.redisUrl === '' ? {} : { REDIS_URL: platform.redisUrl }),
  };
}

try {
  await install(readPlatform());
} catch (error) {
  showError(error);
}
