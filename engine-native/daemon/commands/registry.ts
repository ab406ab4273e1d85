// `berth-engine registry user add|rm|ls`: the users of the registry that `serve --registry` runs.
import { readEngineConfig } from '../config.ts';
import { actions } from '../registry/access.ts';
import { runUserCommand } from '../registry/user-command.ts';
import type { Command } from './command.ts';
import { list, text } from './command.ts';

export const registry: Command = {
  summary: 'add, remove and list the users of the registry; a password is read from stdin',
  usage: 'user add NAME | user rm NAME | user ls',
  options: {
    repo: {
      type: 'string',
      value: 'PATTERN',
      about: 'what the user gets: team/app, or team/* for all below; may be repeated',
      multiple: true,
    },
    pull: { type: 'boolean', about: 'may pull from there' },
    push: { type: 'boolean', about: 'may push there' },
    delete: { type: 'boolean', about: 'may delete there' },
    root: { type: 'string', value: 'DIR', about: 'folder of the engine (/var/lib/berth-engine)' },
  },
  positionals: [2, 3],
  async run(input) {
    const root = text(input, 'root');
    const config = readEngineConfig(root === undefined ? {} : { BERTH_ENGINE_ROOT: root });
    const rights = {
      repositories: list(input, 'repo'),
      actions: actions.filter((action) => input.options[action] === true),
    };
    await runUserCommand(input.args, rights, {
      root: config.root,
      stdin: process.stdin,
      print: (line) => process.stdout.write(`${line}\n`),
    });
  },
};
