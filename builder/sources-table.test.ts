import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import { parseSources } from './sources-table.ts';

const pem = '-----BEGIN CERTIFICATE-----\n';
const parse = (text: string, content = pem) => parseSources('sources.toml', text, () => content);

test('a whole table', () => {
  assert.deepEqual(
    parse(`ca = "/etc/company.pem"
stand_ins = "always"
[registries]
npm = "https://npm.example.org/"
goproxy = "https://go.example.org"
[env]
SENTRYCLI_CDNURL = "https://mirror.example.org/sentry"
[git]
"https://github.com/" = "https://git.example.org/github/"
[from]
"node:*" = "berth:node"
"ghcr.io/*" = "registry.example.org/tools:1"
`),
    {
      ca: '/etc/company.pem',
      standIns: 'always',
      env: {
        NPM_CONFIG_REGISTRY: 'https://npm.example.org/',
        YARN_NPM_REGISTRY_SERVER: 'https://npm.example.org/',
        YARN_REGISTRY: 'https://npm.example.org/',
        GOPROXY: 'https://go.example.org',
        SENTRYCLI_CDNURL: 'https://mirror.example.org/sentry',
      },
      git: { 'https://github.com/': 'https://git.example.org/github/' },
      from: [
        { pattern: 'node:*', image: 'berth:node' },
        { pattern: 'ghcr.io/*', image: 'registry.example.org/tools:1' },
      ],
    },
  );
});

test('a mistake names its line and what to write; a login is never repeated', () => {
  const wrong = (text: string, content?: string) => {
    try {
      parse(text, content);
    } catch (error) {
      assert.ok(error instanceof AppError);
      return error.message;
    }
    return assert.fail(`accepted: ${text}`);
  };
  assert.deepEqual(
    [
      wrong('\nregistry = 1'),
      wrong('[registries]\nnmp = "https://x"'),
      wrong('[registries]\nnpm = "npm.example.org"'),
      wrong('[registries]\ndebian = "https://x"'),
      wrong('[env]\nPATH = "/bin"'),
      wrong('stand_ins = "sometimes"'),
      wrong('ca = "/etc/x.pem"', 'no certificate'),
      wrong('[from]\n"node:*" = "berth:nodejs"'),
      wrong('[git]\n"https://github.com/" = 5'),
      wrong('[env]\nA = "https://user:word@host/"'),
      wrong('env = 1'),
      wrong('[env\n'),
    ],
    [
      'sources.toml line 2: "registry" is no key here',
      'sources.toml line 2: "nmp" is no key here (did you mean "npm"?)',
      'sources.toml line 2: npm = "npm.example.org" is no address',
      'sources.toml line 2: the Debian mirror is not set here',
      'sources.toml line 2: "PATH" cannot be a variable of builds',
      'sources.toml line 1: stand_ins = "sometimes" is none of unreachable, always, never',
      'sources.toml line 1: "/etc/x.pem" holds no certificate in PEM form',
      'sources.toml line 2: Berth has no stand-in "berth:nodejs"',
      'sources.toml line 2: "https://github.com/" is no text of one line',
      'sources.toml line 2: the address of "A" has a login in it',
      'sources.toml line 1: "env" is no table: write [env]',
      'sources.toml line 1: expected "]", found the end of the line',
    ],
  );
});
