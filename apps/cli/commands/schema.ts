// schema: the JSON Schema of berth.toml or app.json, for editors and for those who look a key up. Talks to no server.
import { AppJson, BerthToml } from '@berth/contract/manifest.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Command } from '../command.ts';

const schemas: Record<string, object> = { 'berth.toml': BerthToml, 'app.json': AppJson };

export const schema: Command = {
  summary: 'print the JSON Schema of berth.toml or app.json',
  usage: '[berth.toml|app.json]',
  example: 'berth schema berth.toml > berth.schema.json',
  options: {},
  positionals: [0, 1],
  run: async (input) => {
    const name = input.args[0] ?? 'berth.toml';
    const found = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    if (!found)
      throw new AppError('not_found', `there is no schema of "${name}"`, {
        hint: 'there are: berth.toml, app.json',
      });
    input.output.line(JSON.stringify(found, null, 2));
    return 0;
  },
};
