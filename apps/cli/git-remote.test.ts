// Remotes read from a git config file, and the URLs that mean an app.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRemotes, parseRemoteUrl } from './git-remote.ts';

test('remotes are read from the config as git writes it', () => {
  const config = `[core]
\tbare = false
[remote "origin"]
\turl = git@example.com:x/y.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
[remote "berth"]
\turl = http://127.0.0.1:7070/hello.git
[branch "main"]
\tremote = origin
\turl = http://elsewhere/x.git
`;
  assert.deepEqual(
    [...parseRemotes(config)],
    [
      ['origin', 'git@example.com:x/y.git'],
      ['berth', 'http://127.0.0.1:7070/hello.git'],
    ],
  );
});

test('only URLs of an app are taken, with or without a user in them', () => {
  assert.deepEqual(parseRemoteUrl('https://ada:x@berth.example.com/hello.git'), {
    server: 'https://berth.example.com',
    app: 'hello',
  });
  for (const url of [
    'git@example.com:hello.git',
    'https://example.com/team/hello.git',
    'file:///x/hello.git',
  ])
    assert.equal(parseRemoteUrl(url), undefined, url);
});
