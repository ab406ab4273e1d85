// help: all commands, or one with its options and an example.
import { AppError } from '@berth/kit/errors.ts';
import type { Command } from '../command.ts';
import { aliases, commandTable } from '../command-table.ts';
import type { Output } from '../output.ts';
import { findCommand } from '../parse-arguments.ts';

export const help: Command = {
  summary: 'show the commands, or one of them',
  usage: '[COMMAND]',
  example: 'berth help config:set',
  options: {},
  positionals: [0, 2],
  run: async (input) => {
    if (input.args.length === 0) {
      await printAll(input.output);
      return 0;
    }
    if (input.args[0] === 'exit-codes') {
      printExitCodes(input.output);
      return 0;
    }
    const { name } = findCommand(input.args);
    const command = await commandTable.get(name)?.();
    if (!command) throw new AppError('not_found', `there is no help on "${name}"`);
    printCommandHelp(input.output, name, command);
    return 0;
  },
};

async function printAll(output: Output): Promise<void> {
  output.line('berth: git push berth main, and the app is live');
  output.line();
  const width = Math.max(...[...commandTable.keys()].map((name) => name.length));
  for (const [name, load] of commandTable) output.line(`  ${name.padEnd(width)}  ${(await load()).summary}`);
  output.line();
  output.line('berth help COMMAND shows options and an example. "config:set" and "config set" are the same.');
  output.line('berth help exit-codes tells what the exit codes mean.');
}

export function printCommandHelp(output: Output, name: string, command: Command): void {
  output.line(`berth ${name} ${command.usage}`.trim());
  output.line(`  ${command.summary}`);
  const other = [...aliases].filter(([alias, target]) => target === name && !alias.startsWith('-'));
  if (other.length > 0) output.line(`  also: ${other.map(([alias]) => alias).join(', ')}`);
  const options = Object.entries(command.options).map(([long, { short, value, about }]) => [
    `${short === undefined ? '    ' : `-${short}, `}--${long}${value === undefined ? '' : ` ${value}`}`,
    about,
  ]);
  if (options.length > 0) output.line();
  const width = Math.max(0, ...options.map(([spelling = '']) => spelling.length));
  for (const [spelling = '', about = ''] of options) output.line(`  ${spelling.padEnd(width)}  ${about}`);
  output.line();
  output.line('example');
  output.line(`  ${command.example}`);
}

function printExitCodes(output: Output): void {
  for (const [code, meaning] of [
    [0, 'done'],
    [1, 'it failed: a build, a release, a fault'],
    [2, 'wrong usage or a value that cannot be'],
    [3, 'not logged in, or not allowed'],
    [4, 'there is no such thing'],
    [5, 'a conflict: a name that is taken, a newer change'],
    [6, 'the server cannot be reached'],
  ] as const)
    output.line(`${code}  ${meaning}`);
  output.line('"berth run" exits with the code of what it ran.');
}
