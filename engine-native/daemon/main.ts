// engined: the container engine's daemon. Started by the supervisor or systemd; its configuration is in config.ts.
// Killing it, at any moment, must end no container: shims live on and are adopted at the next start.

import { asAppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { readEngineConfig } from './config.ts';
import { startEngine } from './engine.ts';

try {
  const config = readEngineConfig();
  const log = createLogger('engine', config.logLevel);
  const shutdown = createShutdown(log);
  const engine = await startEngine(config, log);
  shutdown.add('engine', () => engine.close());
  reportReady();
} catch (error) {
  const { message, hint, detail } = asAppError(error);
  const more = [detail, hint].filter((part) => part !== undefined).join('; ');
  process.stderr.write(`engine: ${message}${more === '' ? '' : ` (${more})`}\n`);
  process.exit(1);
}
