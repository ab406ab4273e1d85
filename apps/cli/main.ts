// The command line: finds the command, loads only its file, runs it, and turns errors into two lines and an exit code.
// Started by bin/berth.
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { ApiClient } from './api-client.ts';
import { type Input, text } from './command.ts';
import { commandTable, hiddenCommands } from './command-table.ts';
import { readEnvironment } from './config.ts';
import { exitCodeOf } from './exit-codes.ts';
import { Output, printable } from './output.ts';
import { findCommand, parseArguments } from './parse-arguments.ts';
import { Session } from './session.ts';

async function main(argv: readonly string[]): Promise<number> {
  const env = readEnvironment();
  const output = new Output(env.color);
  let client: ApiClient | undefined;
  try {
    const { name, rest } = findCommand(argv);
    const load = commandTable.get(name) ?? hiddenCommands.get(name);
    if (!load) throw new AppError('internal', `"${name}" has no command`);
    const command = await load();
    const parsed = parseArguments(name, command, rest);
    if (parsed.options['help'] === true) {
      const { printCommandHelp } = await import('./commands/help.ts');
      printCommandHelp(output, name, command);
      return 0;
    }
    const input = { ...parsed, env, output } as Input;
    const session = new Session(env, process.cwd(), {
      app: text(input, 'app'),
      remote: text(input, 'remote'),
    });
    input.session = session;
    input.app = async () => session.app();
    input.api = async () => {
      const { ApiClient } = await import('./api-client.ts');
      client ??= await ApiClient.connect(session.server(), session.token());
      return client;
    };
    return (await command.run(input)) ?? 0;
  } catch (thrown) {
    const error = asAppError(thrown);
    const said = [error.message, error.detail, error.hint].filter(
      (line) => line !== undefined && line !== '',
    );
    output.warn(printable(said.join('\n')));
    return exitCodeOf(error);
  } finally {
    client?.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
