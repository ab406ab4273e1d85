// Held against git itself: the same patterns and paths, and git's own word on each.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { listFolder } from './list-folder.ts';

const files: Record<string, string> = {
  '.gitignore':
    '# what nobody deploys\nnode_modules/\n*.log\n!keep.log\n/only-here\ndocs/**/*.tmp\n**/cache/**\nbuild\n\\#odd\n[ab]?.txt\nends \\ \n!important/\nlib/*.o\n[!x]1.md\nfoo/**\n',
  'deep/.gitignore': '!*.log\n/local\n*.bin\nsub/*\n!sub/stays\n',
  'only-here': '',
  'deep/only-here': '',
  'a.log': '',
  'keep.log': '',
  'deep/b.log': '',
  'deep/local': '',
  'deep/more/local': '',
  'deep/x.bin': '',
  'x.bin': '',
  'deep/sub/goes': '',
  'deep/sub/stays': '',
  'node_modules/a/index.js': '',
  'deep/node_modules/b.js': '',
  'docs/a.tmp': '',
  'docs/x/y/b.tmp': '',
  'a/cache/c': '',
  'cache/d': '',
  'build/out': '',
  'deep/build': '',
  '#odd': '',
  'a1.txt': '',
  'c1.txt': '',
  'lib/x.o': '',
  'lib/deep/x.o': '',
  'x1.md': '',
  'y1.md': '',
  'foo/a': '',
  'bar/foo/a': '',
  'src/größe.js': '',
};

test('the files of a folder are those that git would add', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-ignore-'));
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const env = { PATH: '/usr/bin:/bin', HOME: folder, GIT_CONFIG_NOSYSTEM: '1' };
    const git = async (...args: string[]) =>
      (await runCommandOk(['git', ...args], { cwd: folder, env })).stdout.toString('utf8');
    await git('init', '-q');
    const listed = await git('ls-files', '-z', '--others', '--exclude-standard');
    const wanted = listed.split('\0').filter((path) => path !== '');
    assert.deepEqual(
      listFolder(folder)
        .map(({ path }) => path)
        .sort(),
      wanted.sort(),
    );
    assert.ok(wanted.length > 10 && wanted.length < Object.keys(files).length - 8);
    const below = await git('ls-files', '-z', '--others', '--exclude-standard', 'deep');
    assert.deepEqual(
      listFolder(join(folder, 'deep'))
        .map(({ path }) => `deep/${path}`)
        .sort(),
      below
        .split('\0')
        .filter((path) => path !== '')
        .sort(),
      'rules of the folders above count within a work tree',
    );
    writeFileSync(join(folder, '.berthignore'), '!build\nsrc/\n');
    const paths = listFolder(folder).map(({ path }) => path);
    assert.ok(paths.includes('build/out') && !paths.some((path) => path.startsWith('src/')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
