// What apps run on is told from what only installs packages, by Debian's own lists.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatStatus, parseStatus, runtimeClosure } from './dpkg-status.ts';
import { sortPaths } from './split-stack.ts';

const paragraph = (name: string, fields = '') =>
  `Package: ${name}\nStatus: install ok installed\nVersion: 1.0\n${fields}`;
const status = [
  paragraph('curl', 'Depends: libcurl4t64 (= 1.0), zlib1g:any (>= 1:1.1) | zlib\n'),
  paragraph('libcurl4t64', 'Pre-Depends: libc6\nDepends: ssl-of-some-kind\n'),
  paragraph('libssl', 'Provides: ssl-of-some-kind (= 1)\n'),
  paragraph('ca-certificates', 'Depends: openssl, debconf (>= 0.5) | debconf-2.0\n'),
  paragraph('openssl'),
  paragraph('debconf', 'Depends: perl-base\n'),
  paragraph('perl-base'),
  paragraph('zlib1g'),
  paragraph('libc6'),
  'Package: gone\nStatus: deinstall ok config-files\nVersion: 1.0\n',
].join('\n');

test('a package brings what it depends on, but not what its maintainer scripts need', () => {
  const packages = parseStatus(status);
  assert.equal(packages.has('gone'), false);
  const { names, missing } = runtimeClosure(packages, ['curl', 'ca-certificates'], new Set(['debconf']));
  assert.deepEqual([...names].sort(), [
    'ca-certificates',
    'curl',
    'libc6',
    'libcurl4t64',
    'libssl',
    'openssl',
    'zlib1g',
  ]);
  assert.deepEqual(missing, []);
  assert.deepEqual(runtimeClosure(packages, ['git'], new Set()).missing, ['git']);
});

test('a list of packages written again is read as the same list', () => {
  const packages = parseStatus(status);
  assert.deepEqual(parseStatus(formatStatus(packages.values())), new Map([...packages].sort()));
});

test("files go with their packages; apt's and dpkg's own to the tools; what no package owns stays", () => {
  const owners = new Map([
    ['usr', ['curl', 'perl-base']],
    ['usr/bin', ['curl', 'perl-base']],
    ['usr/bin/curl', ['curl']],
    ['usr/bin/perl', ['perl-base']],
    ['etc', ['curl']],
  ]);
  const paths = [
    'etc',
    'etc/apt/sources.list',
    'etc/passwd',
    'usr',
    'usr/bin',
    'usr/bin/curl',
    'usr/bin/perl',
    'var/lib/dpkg/info/curl.list',
    'var/lib/dpkg/info/curl.postinst',
    'var/lib/dpkg/info/perl-base:amd64.md5sums',
    'var/lib/dpkg/status',
  ];
  const { run, tools } = sortPaths(paths, owners, new Set(['curl']));
  const info = ['var', 'var/lib', 'var/lib/dpkg', 'var/lib/dpkg/info'];
  assert.deepEqual(run, [
    'etc',
    'etc/passwd',
    'usr',
    'usr/bin',
    'usr/bin/curl',
    ...info,
    'var/lib/dpkg/info/curl.list',
  ]);
  assert.deepEqual(tools, [
    'etc',
    'etc/apt',
    'etc/apt/sources.list',
    'usr',
    'usr/bin',
    'usr/bin/perl',
    ...info,
    'var/lib/dpkg/info/curl.postinst',
    'var/lib/dpkg/info/perl-base:amd64.md5sums',
  ]);
});
