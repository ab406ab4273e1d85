// Every subcommand of berth-engine by name; a command's file is loaded only when it runs. Used by main.ts and help.ts.
import type { Command } from './command.ts';

type Loader = () => Promise<Command>;

export const commandTable: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ['serve', async () => (await import('./serve.ts')).serve],
  ['certs', async () => (await import('./certs.ts')).certs],
  ['play', async () => (await import('./play.ts')).play],
  ['pod', async () => (await import('./pod.ts')).pod],
  ['registry', async () => (await import('./registry.ts')).registry],
  ['version', async () => (await import('./version.ts')).version],
  ['help', async () => (await import('./help.ts')).help],
]);

/** Names that fingers know from elsewhere. */
export const aliases: ReadonlyMap<string, string> = new Map([
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version'],
  ['-v', 'version'],
]);
