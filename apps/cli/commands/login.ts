// login, logout, whoami: the credentials of a server.
import { AppError } from '@berth/kit/errors.ts';
import { type Command, flag, type Input, jsonOption, text } from '../command.ts';
import { normalServer, writeCredentials } from '../credentials.ts';
import { readStdin, readUnseen } from '../read-secret.ts';

interface WhoAmI {
  user: string;
  admin: boolean;
}

export const login: Command = {
  summary: 'log in to a server with a token',
  usage: '[--server URL] [--token-stdin]',
  example: 'berth login --server http://127.0.0.1:7070',
  options: {
    server: {
      type: 'string',
      value: 'URL',
      about: 'the server; without it the last one, or http://127.0.0.1:7070',
    },
    'token-stdin': { type: 'boolean', about: 'read the token from standard input instead of asking' },
  },
  positionals: [0, 0],
  run: async (input) => {
    const { ApiClient } = await import('../api-client.ts');
    const server = normalServer(text(input, 'server') ?? input.session.server());
    const token = await askToken(input, server);
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new AppError('invalid', 'that is not a token: it is empty or has spaces');
    const api = await ApiClient.connect(server, token);
    try {
      const { user } = await api.get<WhoAmI>('/v1/whoami');
      const { credentials } = input.session;
      credentials.servers[server] = { token, user };
      credentials.default = server;
      writeCredentials(input.env.configFolder, credentials);
      input.output.line(`Logged in to ${server} as ${user}`);
    } finally {
      api.close();
    }
    return 0;
  },
};

async function askToken(input: Input, server: string): Promise<string> {
  if (flag(input, 'token-stdin')) return (await readStdin()).trim();
  if (process.stdin.isTTY !== true)
    throw new AppError('bad_request', 'there is no terminal to ask for the token', {
      hint: 'give it on standard input: berth login --token-stdin < FILE',
    });
  return (await readUnseen(`Token for ${server}: `)).trim();
}

export const logout: Command = {
  summary: 'forget the token of a server',
  usage: '[--server URL]',
  example: 'berth logout',
  options: { server: { type: 'string', value: 'URL', about: 'the server; without it the one in use' } },
  positionals: [0, 0],
  run: async (input) => {
    const { credentials } = input.session;
    const server = normalServer(text(input, 'server') ?? input.session.server());
    if (!credentials.servers[server]) throw new AppError('not_found', `you are not logged in to ${server}`);
    delete credentials.servers[server];
    if (credentials.default === server) {
      const [next] = Object.keys(credentials.servers);
      if (next === undefined) delete credentials.default;
      else credentials.default = next;
    }
    writeCredentials(input.env.configFolder, credentials);
    input.output.line(`Logged out of ${server}`);
    return 0;
  },
};

export const whoami: Command = {
  summary: 'who you are to the server',
  usage: '[--json]',
  example: 'berth whoami',
  options: jsonOption,
  positionals: [0, 0],
  run: async (input) => {
    const api = await input.api();
    const who = await api.get<WhoAmI>('/v1/whoami');
    if (flag(input, 'json')) input.output.json({ ...who, server: api.server });
    else input.output.line(who.user);
    return 0;
  },
};
