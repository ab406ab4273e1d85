import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReference } from './buildpack-reference.ts';

const folders = ['/srv/buildpacks'];
const read = (entry: string) => readReference(entry, folders);

test('every way to write a buildpack', () => {
  const github = 'https://github.com/heroku/heroku-buildpack-';
  const cases: [string, object][] = [
    ['https://github.com/a/b', { kind: 'git', url: 'https://github.com/a/b', ref: '' }],
    ['https://github.com/a/b.git#v1.2', { kind: 'git', url: 'https://github.com/a/b.git', ref: 'v1.2' }],
    ['git://example.org/b#feature/x', { kind: 'git', url: 'git://example.org/b', ref: 'feature/x' }],
    ['https://example.org/b.tgz', { kind: 'archive', url: 'https://example.org/b.tgz' }],
    ['https://example.org/b.tar.gz?x=1', { kind: 'archive', url: 'https://example.org/b.tar.gz?x=1' }],
    ['./buildpacks/mine/', { kind: 'tree', folder: 'buildpacks/mine' }],
    ['/srv/buildpacks/mine', { kind: 'folder', folder: '/srv/buildpacks/mine' }],
    ['/srv/buildpacks/mine.git#main', { kind: 'git', url: 'file:///srv/buildpacks/mine.git', ref: 'main' }],
    ['heroku/nodejs', { kind: 'git', url: `${github}nodejs`, ref: '' }],
    ['heroku-community/apt', { kind: 'git', url: `${github}apt`, ref: '' }],
    ['heroku-buildpack-static', { kind: 'git', url: `${github}static`, ref: '' }],
    ['node', { kind: 'git', url: `${github}nodejs`, ref: '' }],
    [
      'mars/create-react-app',
      {
        kind: 'archive',
        url: 'https://buildpack-registry.s3.amazonaws.com/buildpacks/mars/create-react-app.tgz',
      },
    ],
  ];
  for (const [entry, reference] of cases) assert.deepEqual(read(entry), { name: entry, ...reference }, entry);
});

test('what is no buildpack, or one that must not be taken', () => {
  for (const entry of [
    'file:///etc',
    'ext::sh -c id',
    '-u',
    '--upload-pack=x',
    'https://user:secret@example.org/b',
    'https://example.org/b#--upload-pack=x',
    'https://example.org/b#../../x',
    '/srv/buildpacks/../../etc',
    '/srv/buildpacksx',
    '/etc',
    './',
    './../x',
    './a/../../x',
    'nothing-known',
  ])
    assert.throws(() => read(entry), { code: 'invalid' }, entry);
  assert.throws(
    () => read('https://user:secret@example.org/b'),
    (error: Error) => !error.message.includes('secret'),
  );
});
