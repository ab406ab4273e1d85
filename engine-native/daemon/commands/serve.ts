// `berth-engine serve`, and what runs without a subcommand: the daemon itself. Options stand for environment variables of config.ts.
// Killing it, at any moment, must end no container: shims live on and are adopted at the next start.
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { readEngineConfig } from '../config.ts';
import { startEngine } from '../engine.ts';
import type { Command, Input, OptionSpec } from './command.ts';
import { text } from './command.ts';

const variables: Record<string, { variable: string; value: string; about: string }> = {
  root: {
    variable: 'BERTH_ENGINE_ROOT',
    value: 'DIR',
    about: 'what survives a reboot (/var/lib/berth-engine)',
  },
  socket: { variable: 'BERTH_ENGINE_SOCKET', value: 'FILE', about: 'the API (/run/berth/engine.sock)' },
  run: { variable: 'BERTH_ENGINE_RUN', value: 'DIR', about: 'what dies with the boot (below /run)' },
  name: {
    variable: 'BERTH_ENGINE_NAME',
    value: 'ID',
    about: 'prefix of bridges and cgroups, 1 to 8 of a-z 0-9',
  },
  pool: { variable: 'BERTH_ENGINE_POOL', value: 'CIDR', about: 'what networks are cut from (a free /16)' },
  registry: {
    variable: 'BERTH_ENGINE_REGISTRY',
    value: 'HOST:PORT',
    about: 'serve the images as a registry',
  },
  tcp: {
    variable: 'BERTH_ENGINE_TCP',
    value: 'HOST:PORT',
    about: 'the API for remote clients, with the three files below',
  },
  'tls-ca': { variable: 'BERTH_ENGINE_TLS_CA', value: 'FILE', about: 'CA of the clients' },
  'tls-cert': { variable: 'BERTH_ENGINE_TLS_CERT', value: 'FILE', about: 'certificate of this engine' },
  'tls-key': { variable: 'BERTH_ENGINE_TLS_KEY', value: 'FILE', about: 'its private key' },
  'log-level': { variable: 'BERTH_LOG_LEVEL', value: 'LEVEL', about: 'debug, info, warn or error (info)' },
};

export const serve: Command = {
  summary: 'run the engine',
  usage: '',
  options: Object.fromEntries(
    Object.entries(variables).map(([name, { value, about }]): [string, OptionSpec] => [
      name,
      { type: 'string', value, about },
    ]),
  ),
  positionals: [0, 0],
  async run(input) {
    if (process.geteuid?.() !== 0)
      throw new AppError('forbidden', 'the engine must be run by root', {
        hint: 'it mounts and makes networks',
      });
    const config = readEngineConfig(environmentOf(input));
    const log = createLogger('engine', config.logLevel);
    const shutdown = createShutdown(log);
    const engine = await startEngine(config, log);
    shutdown.add('engine', () => engine.close());
    reportReady();
  },
};

/** Variables that options set; they come before the environment's. */
export function environmentOf(input: Input): Record<string, string> {
  const set = Object.entries(variables).flatMap(([name, { variable }]): [string, string][] => {
    const value = text(input, name);
    return value === undefined ? [] : [[variable, value]];
  });
  return Object.fromEntries(set);
}
