// git-credential get: answers git's credential protocol (gitcredentials(7)) when bin/berth could not do so alone. Hidden.
import type { Command } from '../command.ts';
import { normalServer, writeGitCredentials } from '../credentials.ts';
import { readStdin } from '../read-secret.ts';

export const gitCredential: Command = {
  summary: 'answer git',
  usage: 'get|store|erase',
  example: 'berth git-credential get',
  options: {},
  positionals: [1, 1],
  run: async (input) => {
    if (input.args[0] !== 'get') return 0;
    const asked = new Map<string, string>();
    for (const line of (await readStdin()).split('\n')) {
      const mark = line.indexOf('=');
      if (mark > 0) asked.set(line.slice(0, mark), line.slice(mark + 1));
    }
    const server = normalServer(`${asked.get('protocol') ?? 'http'}://${asked.get('host') ?? ''}`);
    const { env } = input;
    const { credentials } = input.session;
    const chosen = env.server === undefined ? undefined : normalServer(env.server);
    const fromEnv = env.token !== undefined && (chosen === undefined || chosen === server);
    const known = credentials.servers[server];
    if (fromEnv) input.output.raw(`username=berth\npassword=${env.token}\n`);
    else if (known) {
      input.output.raw(`username=${known.user}\npassword=${known.token}\n`);
      writeGitCredentials(env.configFolder, credentials); // the next push need not start Node
    } else {
      input.output.warn(`you are not logged in to ${server}\nberth login --server ${server}`);
      input.output.raw('quit=1\n');
    }
    return 0;
  },
};
