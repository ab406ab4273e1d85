/**
 * berth-runtime as an OCI runtime: life cycle, hooks, execs, limits and walls of a bundle by hand. Its unit tests are in C; the
 * OCI's own validation is in oci-validation.test.ts, other engines that run it in oci-engines.test.ts.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { before, describe, test } from 'node:test';
import { Bundle, type Config } from './oci-bundle.ts';
import { buildRuntime } from './shim-root.ts';

async function using(bundle: Bundle, work: (bundle: Bundle) => Promise<void> | void): Promise<void> {
  try {
    await work(bundle);
  } finally {
    bundle.close();
  }
}

interface Stats {
  memory: { usage: { limit: number } };
  pids: { current: number };
}

const hook = (script: string, more: object = {}) => ({
  path: '/bin/sh',
  args: ['sh', '-c', script],
  ...more,
});

describe('berth-runtime', () => {
  before(buildRuntime);

  test('creates, starts, signals and deletes a container, and says its state at each step', () =>
    using(new Bundle('write', '/data/ran', 'x', ',', 'signal'), async (b) => {
      b.config.annotations = { 'org.example': 'kept' };
      b.must('create', '--pid-file', b.path('pid'), b.id);
      const created = b.state();
      assert.deepEqual(
        [created.status, created.id, created.annotations],
        ['created', b.id, { 'org.example': 'kept' }],
      );
      assert.equal(b.read('pid'), String(created.pid));
      assert.ok(!existsSync(b.guest.inside('data/ran')), 'nothing of the program runs before its start');
      assert.match(b.run('delete', b.id).stderr, /that is not stopped: created/);
      b.must('start', b.id);
      assert.equal(b.state().status, 'running');
      assert.match(b.run('start', b.id).stderr, /cannot start a container that is not created/);
      assert.match(b.run('create', b.id).stderr, /already exists/);
      b.must('kill', b.id, 'KILL');
      await b.until('stopped');
      assert.match(b.run('kill', b.id).stderr, /container not running/);
      b.must('delete', b.id);
      assert.match(b.run('state', b.id).stderr, /container "oci-test-\w+" does not exist/);
      assert.ok(existsSync(b.guest.inside('data/ran')));
    }));

  test('run waits for the program and ends with its code', () =>
    using(new Bundle('say', 'hello', ',', 'complain', 'oops', ',', 'exit', '7'), (b) => {
      assert.deepEqual(b.run('run', b.id), { code: 7, stdout: 'hello\n', stderr: 'oops\n' });
      assert.equal(b.must('list', '--quiet'), '');
    }));

  test('a command that is not there fails the create, in words that Docker understands', () =>
    using(new Bundle(), (b) => {
      const refusal = (name: string) => {
        b.config.process.args = [name];
        return b.run('create', b.id).stderr;
      };
      assert.match(refusal('nope'), /exec: "nope": executable file not found in \$PATH/);
      assert.match(refusal('/nope'), /no such file or directory/i);
      assert.match(refusal('/etc/passwd'), /permission denied/);
      assert.equal(b.must('list', '--quiet'), '');
    }));

  test('a config that asks for what it cannot have is refused by name', () =>
    using(new Bundle('id'), (b) => {
      const refusal = (change: (config: Config) => void) => {
        const config = structuredClone(b.config);
        change(b.config);
        const { code, stderr } = b.run('create', b.id);
        b.config = config;
        assert.equal(code, 1);
        return stderr;
      };
      assert.match(
        refusal((c) => (c.ociVersion = '2.0.0')),
        /ociVersion "2.0.0"/,
      );
      assert.match(
        refusal((c) => c.linux.namespaces.push({ type: 'pid' })),
        /"pid" is given twice/,
      );
      assert.match(
        refusal((c) => (c.process.rlimits = [{ type: 'RLIMIT_TEST' }])),
        /RLIMIT_TEST/,
      );
      assert.match(
        refusal((c) => (c.process.capabilities['bounding'] = ['CAP_TEST'])),
        /CAP_TEST/,
      );
      assert.match(
        refusal((c) => (c.linux.sysctl = { 'kernel.panic': '1' })),
        /kernel.panic/,
      );
      assert.match(
        refusal((c) => (c.process.cwd = 'here')),
        /absolute/,
      );
      assert.match(
        refusal((c) => (c.process.terminal = true)),
        /console-socket/,
      );
      assert.match(
        refusal((c) => (c.linux.intelRdt = {})),
        /"intelRdt" is not supported/,
      );
      assert.match(b.run('create', '../x').stderr, /invalid container id/);
      assert.match(b.run('create').stderr, /needs a container id/);
    }));

  test('hooks run in their order and places, with the state on stdin', () =>
    using(new Bundle('id'), (b) => {
      const note = (word: string) =>
        hook(`echo "${word} $(cat | grep -o '"status":"[a-z]*"')" >>${b.path('notes')}`);
      b.config.hooks = {
        prestart: [note('prestart1'), note('prestart2')],
        createRuntime: [note('createRuntime')],
        createContainer: [
          hook(`hostname >>${b.path('notes')}; readlink /proc/self/ns/uts >>${b.path('notes')}`),
        ],
        startContainer: [{ path: '/guest', args: ['guest', 'write', '/data/started', 'x'] }],
        poststart: [note('poststart')],
        poststop: [note('poststop')],
      };
      b.must('create', b.id);
      const uts = readlinkSync(`/proc/${b.state().pid}/ns/uts`);
      assert.ok(!existsSync(b.guest.inside('data/started')));
      b.must('start', b.id);
      assert.ok(existsSync(b.guest.inside('data/started')));
      b.must('delete', '--force', b.id);
      const lines = b.read('notes').trim().split('\n');
      assert.deepEqual(
        lines.filter((line) => line.includes('status')),
        [
          'prestart1 "status":"created"',
          'prestart2 "status":"created"',
          'createRuntime "status":"creating"',
          'poststart "status":"running"',
          'poststop "status":"stopped"',
        ],
      );
      assert.ok(lines.includes(uts), 'createContainer runs in the namespaces of the container');
    }));

  test('a first hook that fails or hangs undoes the container; a later one is only a warning', () =>
    using(new Bundle('id'), (b) => {
      const poststop = [hook(`echo poststop >>${b.path('notes')}`)];
      b.config.hooks = { prestart: [hook('echo because >&2; exit 3')], poststop };
      assert.match(
        b.run('create', b.id).stderr,
        /error running prestart hook "\/bin\/sh": exit status 3: because/,
      );
      b.config.hooks = { createRuntime: [hook('sleep 30', { timeout: 1 })], poststop };
      assert.match(b.run('create', b.id).stderr, /ran past specified timeout of 1s/);
      b.config.hooks = { createContainer: [hook('exit 4')], poststop };
      assert.match(b.run('create', b.id).stderr, /createContainer hook .* exit status 4/);
      assert.equal(b.read('notes'), 'poststop\n'.repeat(3));
      assert.equal(b.must('list', '--quiet'), '');
      b.config.hooks = { poststart: [hook('exit 5'), hook(`echo second >>${b.path('notes')}`)] };
      assert.match(b.run('run', b.id).stderr, /warning: .*poststart hook/);
      assert.match(b.read('notes'), /second/);
    }));

  test('exec runs another process with its own user, place and environment', () =>
    using(new Bundle('signal'), (b) => {
      b.must('run', '--detach', b.id);
      const first = b.run(
        'exec',
        '-u',
        '1000:1001',
        '-e',
        'A=B',
        '--cwd',
        '/tmp',
        b.id,
        '/guest',
        'id',
        ',',
        'cwd',
        ',',
        'env',
        'A',
        ',',
        'env',
        'GREETING',
        ',',
        'exit',
        '5',
      );
      assert.deepEqual(first, {
        code: 5,
        stdout: 'uid=1000 gid=1001 groups=1001\n/tmp\nA=B\nGREETING=hello\n',
        stderr: '',
      });
      const process = {
        args: ['/guest', 'id'],
        cwd: '/',
        user: { uid: 7, gid: 8, additionalGids: [9] },
        env: [],
      };
      writeFileSync(b.path('process.json'), JSON.stringify(process));
      assert.equal(b.must('exec', '--process', b.path('process.json'), b.id), 'uid=7 gid=8 groups=8,9\n');
      const missing = b.run('exec', b.id, 'nope');
      assert.equal(missing.code, 255);
      assert.match(missing.stderr, /executable file not found/);
      assert.match(b.run('exec', '-u', '0x0', b.id, '/guest').stderr, /no number of a user/);
      assert.match(b.run('exec', '-u', '4294967296', b.id, '/guest').stderr, /no number of a user/);
      b.must('exec', '--detach', '--pid-file', b.path('pid'), b.id, '/guest', 'signal');
      assert.ok(
        (JSON.parse(b.must('ps', '--format', 'json', b.id)) as number[]).includes(Number(b.read('pid'))),
      );
    }));

  test('limits are set, changed and told; a frozen container is killed', () =>
    using(new Bundle('signal'), async (b) => {
      b.config.linux.resources = {
        memory: { limit: 64 << 20 },
        pids: { limit: 20 },
        cpu: { shares: 512 },
      };
      b.must('run', '--detach', b.id);
      const limits = () => (JSON.parse(b.must('events', '--stats', b.id)) as { data: Stats }).data;
      assert.equal(limits().memory.usage.limit, 64 << 20);
      assert.equal(limits().pids.current, 1);
      b.must('update', '--memory', '32m', b.id);
      assert.equal(limits().memory.usage.limit, 32 << 20);
      b.must('pause', b.id);
      assert.equal(b.state().status, 'paused');
      assert.match(b.run('exec', b.id, '/guest').stderr, /paused/);
      b.must('resume', b.id);
      b.must('pause', b.id);
      b.must('kill', b.id, 'KILL');
      await b.until('stopped');
    }));

  test('a user namespace maps its root to a user without power', () =>
    using(new Bundle('id', ',', 'cat', '/proc/self/uid_map', ',', 'write', '/data/mine', 'x'), (b) => {
      const ids = [{ containerID: 0, hostID: 100000, size: 65536 }];
      b.config.linux.namespaces.push({ type: 'user' });
      Object.assign(b.config.linux, { uidMappings: ids, gidMappings: ids });
      chmodSync(b.guest.inside('data'), 0o777);
      for (const name of ['proc', 'dev', 'sys']) mkdirSync(b.guest.inside(name));
      assert.match(b.must('run', b.id), /^uid=0 gid=0 .*\n +0 +100000 +65536\n/);
      assert.equal(statSync(b.guest.inside('data/mine')).uid, 100000);
    }));

  test('seccomp profiles of config.json hold, and none is loaded in part', () =>
    using(new Bundle('pid', ',', 'say', 'on'), (b) => {
      const rule = (action: string) => ({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['getpid'], action }],
      });
      b.config.linux.seccomp = rule('SCMP_ACT_ERRNO');
      assert.equal(b.must('run', b.id), 'pid -1\non\n');
      b.config.linux.seccomp = rule('SCMP_ACT_KILL_PROCESS');
      assert.equal(b.run('run', b.id).code, 128 + 31);
      b.config.linux.seccomp = rule('SCMP_ACT_NOTIFY');
      assert.match(b.run('run', b.id).stderr, /"SCMP_ACT_NOTIFY" is not supported/);
    }));

  test("binds, tmpfs with the image's content, read-only root: as config.json says", () =>
    using(
      new Bundle(
        'list',
        '/etc',
        ',',
        'write',
        '/etc/new',
        'x',
        ',',
        'write',
        '/mnt/a',
        'x',
        ',',
        'write',
        '/root',
        'x',
      ),
      (b) => {
        b.config.root.readonly = true;
        for (const name of ['proc', 'dev', 'sys', 'mnt']) mkdirSync(b.guest.inside(name));
        b.config.mounts.push(
          { destination: '/etc', type: 'tmpfs', options: ['tmpcopyup', 'nosuid'] },
          { destination: '/mnt', type: 'bind', source: b.dir, options: ['rbind', 'ro'] },
        );
        const out = b.must('run', b.id);
        assert.match(out, /passwd/);
        assert.match(out, /\/mnt\/a: Read-only file system/);
        assert.match(out, /\/root: Read-only file system/);
        assert.ok(!existsSync(b.guest.inside('etc/new')));
      },
    ));
});

describe('the walls of berth-runtime', () => {
  before(buildRuntime);

  test('runs from a sealed copy of its own binary, so that no container can rewrite it (CVE-2019-5736)', () =>
    using(new Bundle('id'), (b) => {
      b.must('create', b.id);
      assert.match(readlinkSync(`/proc/${b.state().pid}/exe`), /^\/memfd:berth-runtime/);
    }));

  test('lets no descriptor through, and no directory behind one (CVE-2024-21626)', () =>
    using(new Bundle('fds'), (b) => {
      assert.deepEqual(b.must('run', b.id).match(/^fd \d+/gm), ['fd 0', 'fd 1', 'fd 2']);
      b.config.process.cwd = '/proc/self/fd/5';
      assert.notEqual(b.run('run', b.id).code, 0);
    }));

  test('mounts proc on no link of the image and nothing on proc (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881)', () =>
    using(new Bundle('id'), (b) => {
      b.guest.link('proc', '/data');
      assert.match(b.run('run', b.id).stderr, /"\/proc" of the image must be a directory/);
      b.guest.link('proc', '/nowhere');
      assert.notEqual(b.run('run', b.id).code, 0);
    }));

  test('mounts nothing inside /proc but what is known to be harmless', () =>
    using(new Bundle('id'), (b) => {
      b.config.mounts.push({ destination: '/proc/self/attr', type: 'tmpfs', source: 'tmpfs' });
      assert.match(b.run('run', b.id).stderr, /inside \/proc/);
      Object.assign(b.config.mounts.at(-1) ?? {}, { destination: '/proc' });
      assert.match(b.run('run', b.id).stderr, /not of type proc/);
    }));

  test('resolves every destination inside the root (CVE-2021-30465, CVE-2026-41579)', () =>
    using(new Bundle('list', '/out'), (b) => {
      b.guest.link('out', '../../../../../../tmp');
      b.config.mounts.push({ destination: '/out/mine', type: 'tmpfs', source: 'tmpfs' });
      assert.equal(b.must('run', b.id), 'mine\n');
      assert.ok(existsSync(b.guest.inside('tmp/mine')), 'the link of the image led to the /tmp of the image');
    }));

  test('hides paths behind a null device that is one (CVE-2025-31133)', () =>
    using(new Bundle('cat', '/proc/uptime', ',', 'write', '/proc/sys/kernel/hostname', 'x'), (b) => {
      b.config.linux.maskedPaths = ['/proc/uptime'];
      assert.match(b.must('run', b.id), /^\/proc\/sys\/kernel\/hostname: Read-only file system/);
      b.config.mounts = b.config.mounts.filter(({ destination }) => destination !== '/dev');
      b.config.mounts.push({
        destination: '/dev',
        type: 'bind',
        source: b.guest.inside('data'),
        options: ['bind'],
      });
      b.guest.link('data/null', '/etc/passwd');
      assert.match(b.run('run', b.id).stderr, /null|\/dev\/pts/);
      assert.match(readFileSync(b.guest.inside('etc/passwd'), 'utf8'), /^root:/);
    }));

  test('refuses a control group that has other inhabitants, and kills none of them', () =>
    using(new Bundle('signal'), (b) => {
      b.must('run', '--detach', b.id);
      const { code, stderr } = b.run('create', `${b.id}-2`);
      assert.equal(code, 1);
      assert.match(stderr, /cgroup is not empty/);
      assert.equal(b.state().status, 'running');
    }));
});
