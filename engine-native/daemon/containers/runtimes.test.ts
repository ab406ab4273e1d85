// Which runtime a container gets, and what is refused: with folders of the test's own as PATH.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseCreate } from './parse-create.ts';
import { parseRuntimes, plainRuntimeName, Runtimes } from './runtimes.ts';

const dir = mkdtempSync(join(tmpdir(), 'runtimes-'));
const runc = join(dir, 'runc');
writeFileSync(runc, '');
chmodSync(runc, 0o755);
writeFileSync(join(dir, 'crun'), ''); // no program
after(() => rmSync(dir, { recursive: true }));

const runtimes = new Runtimes({
  named: { mine: runc, gone: join(dir, 'gone') },
  searchPath: `relative:${dir}`,
});
const check = (hostConfig: object, config: object = {}) =>
  runtimes.check(parseCreate({ ...config, HostConfig: hostConfig }));

test('lists what can be run: its own, those on PATH, those that a setting names', () => {
  const berth = { path: 'berth-shim' };
  assert.deepEqual(runtimes.list(), { berth, runc: { path: runc }, mine: { path: runc } });
  assert.deepEqual(parseRuntimes('a=/x/y,b-1=/z'), { a: '/x/y', 'b-1': '/z' });
  for (const wrong of ['a', 'a=b', 'berth=/x', '=/x']) assert.throws(() => parseRuntimes(wrong), /absolute/);
});

test('takes its own runtime and installed ones, by the names that people use', () => {
  for (const Runtime of ['', 'berth', 'runc', 'io.containerd.runc.v2', 'mine']) check({ Runtime });
  assert.equal(parseCreate({ HostConfig: { Runtime: 'berth' } }).hostConfig.Runtime, undefined);
  assert.equal(parseCreate({ HostConfig: { Runtime: 'io.containerd.runc.v2' } }).hostConfig.Runtime, 'runc');
  assert.equal(plainRuntimeName('kata'), 'kata-runtime');
});

test('refuses a runtime that is not there instead of running the container by its own', () => {
  for (const Runtime of ['crun', 'gone', 'nope'])
    assert.throws(() => check({ Runtime }), {
      code: 'bad_request',
      message: `unknown or invalid runtime name: ${Runtime}`,
    });
});

test('refuses what another runtime would leave out', () => {
  const device = { PathOnHost: '/dev/null', PathInContainer: '/dev/other', CgroupPermissions: 'rwm' };
  const refused: [object, object, RegExp][] = [
    [{ Init: true }, {}, /--init is not supported with runtime "runc"/],
    [{}, { Domainname: 'example.org' }, /--domainname is not supported/],
    [{ Devices: [device] }, {}, /--device under another name is not supported/],
  ];
  for (const [hostConfig, config, message] of refused) {
    assert.throws(() => check({ ...hostConfig, Runtime: 'runc' }, config), { code: 'unsupported', message });
    check(hostConfig, config);
  }
});
