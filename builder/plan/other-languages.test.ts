import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { detectDriver } from './drivers.ts';

const refused = (...paths: string[]) =>
  detectDriver(treeOfFiles(Object.fromEntries(paths.map((path) => [path, ''])))).then(
    ({ label }) => ({ message: label, hint: undefined }),
    ({ message, hint }: { message: string; hint: string }) => ({ message, hint }),
  );

test('a language that is not ours is named, with what to do', async () => {
  assert.deepEqual(await refused('mix.exs', 'lib/app.ex'), {
    message: 'Elixir ("mix.exs") is not built without help',
    hint: 'commit a Dockerfile, or "berth buildpacks:set https://github.com/HashNuke/heroku-buildpack-elixir.git", and push again',
  });
  assert.deepEqual(await refused('Shop.csproj'), {
    message: '.NET ("Shop.csproj") is not built without help',
    hint: 'commit a Dockerfile, or "berth buildpacks:set https://github.com/heroku/heroku-buildpack-dotnet.git", and push again',
  });
  assert.deepEqual(await refused('build.zig', 'src/main.zig'), {
    message: 'Zig ("build.zig") is not built without help',
    hint: 'commit a Dockerfile, or set a buildpack that knows it (berth buildpacks:set URL), and push again',
  });
});

test('a language of ours comes first, and one deeper in the tree says nothing', async () => {
  assert.equal((await refused('package.json', 'mix.exs')).message, 'Node.js');
  assert.equal((await refused('native/CMakeLists.txt')).message, 'no recognisable app in the commit');
});
