// Reads a Procfile: `name: command` lines, as Heroku and foreman read them. Used once a build.
import { processTypePattern } from '@berth/contract/names.ts';
import { AppError } from '@berth/kit/errors.ts';

const namePattern = new RegExp(processTypePattern);
const hint = 'write one "name: command" a line, for example "web: node server.js"';

/** Process types in the file's order. `invalid` names the line that cannot be read. Empty lines and `#` lines are skipped. */
export function parseProcfile(text: string): Record<string, string> {
  const types: Record<string, string> = {};
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = `Procfile line ${index + 1}`;
    const colon = line.indexOf(':');
    if (colon === -1)
      throw new AppError('invalid', `${at}: expected "name: command", found "${cut(line)}"`, { hint });
    const name = line.slice(0, colon).trim();
    const command = line.slice(colon + 1).trim();
    if (!namePattern.test(name))
      throw new AppError('invalid', `${at}: "${cut(name)}" is not a name of a process type`, {
        hint: 'names are lower-case letters, digits, "-" and "_", at most 31, beginning with a letter',
      });
    if (command === '') throw new AppError('invalid', `${at}: "${name}" has no command`, { hint });
    if (Object.hasOwn(types, name))
      throw new AppError('invalid', `${at}: "${name}" is there twice`, {
        hint: 'remove one of the two lines',
      });
    types[name] = command;
  }
  return types;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
