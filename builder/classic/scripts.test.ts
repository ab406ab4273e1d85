// The scripts that look for buildpacks and fetch them, with this machine's own bash, git and curl: what an archive is made into, and what is refused.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand, runCommandOk } from '@berth/kit/run-command.ts';

const folder = mkdtempSync('/tmp/berth-buildpack-scripts-');
const archives = new Map<string, Buffer>();
const server = createServer((request, response) => {
  const body = archives.get(request.url ?? '');
  if (request.url === '/moved.tgz') response.writeHead(302, { Location: 'file:///etc/passwd' });
  else response.writeHead(body ? 200 : 404);
  response.end(body);
});
let origin = '';

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mkdirSync(join(folder, 'pack/bin'), { recursive: true });
  writeFileSync(join(folder, 'pack/bin/compile'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(folder, 'pack/.hidden'), '');
  for (const [name, args] of Object.entries({ flat: ['-C', 'pack', '.'], wrapped: ['pack'] })) {
    await runCommandOk(['tar', '-czf', `${name}.tgz`, ...args], { cwd: folder });
    archives.set(`/${name}.tgz`, readFileSync(join(folder, `${name}.tgz`)));
  }
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (script: string, env: Record<string, string>) =>
  runCommand(['bash', new URL(`scripts/${script}`, import.meta.url).pathname], {
    env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TMPDIR: folder, BERTH_MARK: 'M', ...env },
    cwd: folder,
  });
const sha256 = (path: string) =>
  createHash('sha256')
    .update(archives.get(path) ?? '')
    .digest('hex');
const resolve = async (kind: string, place: string, ref = '') =>
  (await run('resolve', { COUNT: '1', KIND_0: kind, PLACE_0: place, REF_0: ref })).stdout.toString().trim();

test('an archive is what it holds, with or without a folder around everything', async () => {
  for (const name of ['flat', 'wrapped']) {
    const place = `${origin}/${name}.tgz`;
    assert.equal(await resolve('archive', place), `M 0 pin ${sha256(`/${name}.tgz`)}`);
    const target = join(folder, `at-${name}`);
    const owner = `${process.getuid?.()}:${process.getgid?.()}`;
    const env = { KIND: 'archive', PLACE: place, TARGET: target, OWNER: owner };
    const end = await run('fetch', { ...env, PIN: sha256(`/${name}.tgz`) });
    assert.equal(end.exitCode, 0, end.stderr);
    assert.ok(existsSync(join(target, 'bin/compile')) && readdirSync(target).includes('.hidden'), name);
    const changed = await run('fetch', { ...env, TARGET: `${target}-2`, PIN: '0'.repeat(64) });
    assert.equal(changed.exitCode, 1);
    assert.match(changed.stderr, /changed while it was fetched/);
  }
});

test('what is not there says why, and no server leads elsewhere than to another URL', async () => {
  assert.match(await resolve('archive', `${origin}/none.tgz`), /^M 0 why .*404/);
  assert.match(await resolve('archive', `${origin}/moved.tgz`), /^M 0 why .*protocol/i);
  assert.match(await resolve('git', `ext::touch ${folder}/proof`), /^M 0 why .*not allowed/);
  assert.match(await resolve('git', `--upload-pack=touch ${folder}/proof`), /^M 0 why /);
  assert.match(await resolve('folder', join(folder, 'none')), /^M 0 why there is no such folder/);
  assert.ok(!existsSync(join(folder, 'proof')));
});

test("the same folder has the same content, whatever its files' times", async () => {
  const first = await resolve('folder', join(folder, 'pack'));
  assert.match(first, /^M 0 pin [0-9a-f]{64}$/);
  await runCommandOk(['touch', '-d', '@5', 'pack/bin/compile'], { cwd: folder });
  assert.equal(await resolve('folder', join(folder, 'pack')), first);
  writeFileSync(join(folder, 'pack/more'), '');
  assert.notEqual(await resolve('folder', join(folder, 'pack')), first);
});
