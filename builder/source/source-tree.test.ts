import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { GitObjects } from './git-objects.ts';
import { sourceTar } from './source-layer.ts';
import { commitTime, parseTree, readSourceTree } from './source-tree.ts';

const environment = {
  PATH: '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
  GIT_COMMITTER_DATE: '1700000000 +0200',
};

test('a tree is read from a bare repository and a quarantine, and becomes the tar that git would check out', async () => {
  const folder = mkdtempSync('/tmp/berth-tree-');
  try {
    const work = join(folder, 'work');
    mkdirSync(join(work, 'src/deep'), { recursive: true });
    writeFileSync(join(work, 'Procfile'), '\uFEFFweb: node a.js\n');
    writeFileSync(join(work, 'src/a.js'), 'a');
    writeFileSync(join(work, 'src.js'), 's');
    writeFileSync(join(work, 'src/deep/run.sh'), 'r', { mode: 0o755 });
    writeFileSync(join(work, '.gitattributes'), 'src/a.js export-ignore\n');
    symlinkSync('../etc/passwd', join(work, 'link'));
    const git = async (...args: string[]) =>
      (await runCommandOk(['git', ...args], { cwd: work, env: environment })).stdout.toString().trim();
    await git('init', '-q');
    await git('add', '-A');
    await git('commit', '-q', '-m', 'one');
    const [tree, commit] = [await git('rev-parse', 'HEAD^{tree}'), await git('rev-parse', 'HEAD')];
    // The objects lie in a "quarantine", beside an empty repository.
    await git('init', '-q', '--bare', join(folder, 'bare.git'));
    const objects = new GitObjects(join(folder, 'bare.git'), [join(work, '.git/objects')]);
    const source = await readSourceTree(objects, tree);
    assert.deepEqual(
      [...source.entries].map(([path, { kind }]) => `${path} ${kind}`),
      [
        '.gitattributes file',
        'Procfile file',
        'link symlink',
        'src.js file',
        'src/a.js file',
        'src/deep/run.sh executable',
      ],
    );
    assert.equal(source.hasFolder('src/deep'), true);
    assert.equal(await source.readText('Procfile'), 'web: node a.js\n');
    await assert.rejects(source.readText('link'), /^AppError: "link" is a symbolic link$/);
    await assert.rejects(source.readText('Procfile', 4), /"Procfile" is larger than 0 KiB/);
    const [raw] = await objects.read([commit], 1e6);
    assert.equal(commitTime(raw?.data ?? Buffer.alloc(0)), 1_700_000_000);
    const parts: Uint8Array[] = [];
    for await (const part of sourceTar(objects, source, ['src'])) parts.push(part);
    objects.close();
    const listed = await runCommandOk(['tar', '-t'], { input: Buffer.concat(parts) });
    assert.equal(listed.stdout.toString(), 'app/\napp/.gitattributes\napp/Procfile\napp/link\napp/src.js\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a missing object is an error with its id', async () => {
  const folder = mkdtempSync('/tmp/berth-tree-');
  try {
    await runCommandOk(['git', 'init', '-q', '--bare', folder], { env: environment });
    const objects = new GitObjects(folder);
    await assert.rejects(readSourceTree(objects, 'a'.repeat(40)), /git object "a{40}" is missing/);
    objects.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('names that would leave the tree are refused', () => {
  for (const name of ['..', '.', '.git', '.GIT', 'a/b', '']) {
    const tree = Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.alloc(20, 1)]);
    assert.throws(() => [...parseTree(tree, 20)], /entry named|damaged/);
  }
});
