// `berth-engine version`.
import { apiVersion, engineVersion } from '../api/server.ts';
import type { Command } from './command.ts';

export const version: Command = {
  summary: 'print the version',
  usage: '',
  options: {},
  positionals: [0, 0],
  run() {
    process.stdout.write(`berth-engine ${engineVersion} (Docker Engine API ${apiVersion})\n`);
    return Promise.resolve();
  },
};
