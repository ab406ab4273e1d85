// berth-engine: finds the subcommand, loads only its file, runs it, and turns errors into one line and an exit code. Started by
// bin/berth-engine, by systemd, and by the supervisor, which gives no arguments and the settings in the environment (config.ts).
import { parseArgs } from 'node:util';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { Command, Input } from './commands/command.ts';
import { aliases, commandTable } from './commands/command-table.ts';

/** `--socket …` without a command means serve. */
async function main(argv: readonly string[]): Promise<void> {
  const [first = 'serve', ...others] = argv;
  const isOption = first.startsWith('-') && !aliases.has(first);
  const name = isOption ? 'serve' : (aliases.get(first) ?? first);
  const load = commandTable.get(name);
  if (!load)
    throw new AppError('bad_request', `"${first}" is not a command of berth-engine`, {
      hint: 'see them all: berth-engine help',
    });
  const command = await load();
  const input = parse(name, command, isOption ? argv : others);
  if (input.options['help'] !== true) return command.run(input);
  const { commandHelp } = await import('./commands/help.ts');
  process.stdout.write(commandHelp(name, command));
}

function parse(name: string, command: Command, args: readonly string[]): Input {
  const hint = `see berth-engine ${name} --help`;
  const options: Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }> = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const [option, { type, short, multiple = false }] of Object.entries(command.options))
    options[option] = { type, multiple, ...(short === undefined ? {} : { short }) };
  let parsed: { positionals: string[]; values: Input['options'] };
  try {
    parsed = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
    });
  } catch (error) {
    const [message = ''] = asAppError(error).message.split('. ');
    throw new AppError('bad_request', message.charAt(0).toLowerCase() + message.slice(1), { hint });
  }
  const { positionals, values } = parsed;
  const [least, most] = command.positionals;
  if (values['help'] !== true && (positionals.length < least || positionals.length > most))
    throw new AppError(
      'bad_request',
      `"${name}" takes ${least === most ? least : `${least} to ${most}`} arguments`,
      {
        hint,
      },
    );
  return { args: positionals, options: values };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const { message, hint, detail } = asAppError(error);
  const more = [detail, hint].filter((part) => part !== undefined).join('; ');
  process.stderr.write(`engine: ${message}${more === '' ? '' : ` (${more})`}\n`);
  process.exit(1);
}
