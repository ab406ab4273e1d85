/** What a container of berth-shim cannot see, do or reach, also when its image is hostile. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { guest, leftovers, refusal, Sandbox } from './shim-harness.ts';
import { buildRuntime, GuestRoot } from './shim-root.ts';

describe('the walls of berth-shim', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  let root: GuestRoot;
  let sandbox: Sandbox;

  before(() => {
    buildRuntime();
    root = new GuestRoot();
    sandbox = new Sandbox(root.path);
  });

  after(async () => {
    await sandbox.close();
    root.remove();
    for (const container of sandbox.containers) assert.deepEqual(leftovers(container), []);
  });

  const refused = (command: string[], overrides = {}, extra = {}): Promise<[string, string]> =>
    refusal(sandbox.container(command, overrides, extra));

  describe('walls', () => {
    it('leaves the program no capability beyond the list, no new privileges, and a filter', async () => {
      const container = await sandbox.run(guest('cat /proc/self/status'));
      const status = container.output();
      const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S*)`, 'm').exec(status)?.[1] ?? '';
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.equal(field(set), '00000000000000eb');
      for (const set of ['CapInh', 'CapAmb']) assert.equal(field(set), '0000000000000000');
      assert.deepEqual([field('NoNewPrivs'), field('Seccomp')], ['1', '2']);
    });

    it('gives a user who is not root no capability at all', async () => {
      const container = await sandbox.run(guest('cat /proc/self/status'), {}, { user: 'app' });
      assert.match(container.output(), /^CapEff:\t0000000000000000$/m);
      assert.match(container.output(), /^CapPrm:\t0000000000000000$/m);
    });

    it('refuses the calls that make walls or break them, and answers unknown ones as an old kernel would', async () => {
      const container = await sandbox.run(guest('calls'));
      assert.deepEqual(container.output().trim().split('\n'), [
        'unshare: Operation not permitted',
        'mount: Operation not permitted',
        'clone3: Function not implemented',
        'unknown: Function not implemented',
        'keyctl: Operation not permitted',
        'mknod: Operation not permitted',
      ]);
    });

    it('lets no descriptor through but stdio, whatever the caller had open', async () => {
      const container = await sandbox.run(guest('fds'));
      const lines = container.output().trim().split('\n');
      assert.equal(lines.length, 3);
      assert.match(lines[0] ?? '', /^fd 0 \/dev\/null$/);
      assert.match(lines[1] ?? '', /^fd 1 pipe:/);
      assert.match(lines[2] ?? '', /^fd 2 pipe:/);
    });

    it('refuses a working directory that leads out through a descriptor', async () => {
      for (const cwd of ['/proc/self/fd/7', '/proc/self/cwd', '/proc/1/root'])
        assert.equal((await refused(guest('cwd'), {}, { cwd }))[0], 'bad_request');
    });

    it('hides and protects paths of the kernel', async () => {
      const container = await sandbox.run(
        guest('cat /proc/keys', 'list /sys/firmware', 'write /proc/sys/kernel/hostname x', 'write /sys/x y'),
        { userns: null },
      );
      assert.equal(
        container.output(),
        '/proc/sys/kernel/hostname: Read-only file system\n/sys/x: Read-only file system\n',
      );
    });

    it('shows its own control groups only, read-only, where programs look for their limits', async () => {
      const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
      const folder = isV2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';
      const steps = guest('cat /proc/self/cgroup', `cat ${folder}/pids.max`, `write ${folder}/pids.max 9`);
      const container = await sandbox.run(steps, { resources: { pids: 50 } });
      assert.doesNotMatch(container.output(), /berth-test/);
      assert.match(
        container.output(),
        /\n50\n\/sys\/fs\/cgroup(\/pids)?\/pids.max: (Read-only file system|Permission denied)\n/,
      );
    });

    it('refuses images whose /proc, /dev or /sys is a link', async () => {
      for (const name of ['proc', 'dev', 'sys']) {
        const hostile = new GuestRoot().link(name, '/data');
        const container = sandbox.container(guest('id'));
        (container.spec['root'] as { lower: string[] }).lower = [hostile.path];
        const started = await container.start();
        assert.equal(started.error?.code, 'bad_request');
        assert.match(started.error?.message ?? '', new RegExp(`"/${name}" of the image must be a directory`));
        await container.shimExit;
        assert.deepEqual(leftovers(container), []);
        hostile.remove();
      }
    });

    it('mounts inside the root even where links of the image point out of it', async () => {
      const victim = path.join(sandbox.base, 'victim');
      mkdirSync(victim);
      writeFileSync(path.join(sandbox.base, 'hosts'), 'mounted\n');
      const hostile = new GuestRoot()
        .link('etc/hosts', path.join(victim, 'hosts'))
        .link('data', `../../../..${victim}/data`);
      const container = sandbox.container(guest('cat /etc/hosts', 'write /data/file x'), {
        mounts: [
          { type: 'bind', source: path.join(sandbox.base, 'hosts'), target: '/etc/hosts', readonly: true },
          { type: 'tmpfs', target: '/data' },
        ],
      });
      (container.spec['root'] as { lower: string[] }).lower = [hostile.path];
      assert.equal((await container.start()).ok, true);
      await container.finished();
      assert.equal(container.output(), 'mounted\n/data/file: ok\n');
      assert.deepEqual(readdirSync(victim), []);
      hostile.remove();
    });

    it('refuses a volume on /proc', async () => {
      for (const target of ['/proc', '/proc/sys'])
        assert.equal((await refused(guest('id'), { mounts: [{ type: 'tmpfs', target }] }))[0], 'bad_request');
    });

    it('binds volumes with the owners of the container, read-only where asked', async () => {
      const volume = path.join(sandbox.base, 'volume');
      mkdirSync(volume);
      const mount = { type: 'bind', source: volume, idmap: true };
      const container = await sandbox.run(guest('write /v/a x', 'write /r/b x', 'stat /v/a'), {
        mounts: [
          { ...mount, target: '/v' },
          { ...mount, target: '/r', readonly: true },
        ],
      });
      assert.match(
        container.output(),
        /^\/v\/a: ok\n\/r\/b: Read-only file system\n\/v\/a: mode 100644 uid 0 gid 0/,
      );
      assert.equal(statSync(`${volume}/a`).uid, 0);
    });

    it('shares a network with another container without seeing the links of the host', async () => {
      const first = sandbox.container(guest('sleep 100000'));
      const { pid } = await first.start();
      const network = `/proc/${pid}/ns/net`;
      const second = await sandbox.run(guest('list /sys/class/net', 'write /sys/x y'), {
        namespaces: { net: network },
      });
      assert.equal(second.output(), 'lo\n/sys/x: Read-only file system\n');
    });

    it('has a link in a bridge, which goes with it', async () => {
      const bridge = `sv${process.pid % 100000}`;
      const hostIfname = `sw${process.pid % 100000}`;
      const link = (...args: string[]): void => void execFileSync('ip', ['link', ...args], { stdio: 'pipe' });
      link('add', bridge, 'type', 'bridge');
      try {
        const network = {
          mode: 'bridge',
          interfaces: [
            {
              bridge,
              hostIfname,
              ifname: 'eth0',
              address: '10.254.9.5/24',
              gateway: '10.254.9.1',
              mac: '02:42:0a:fe:09:05',
              mtu: 1400,
              isolated: true,
            },
          ],
        };
        const container = sandbox.container(
          guest(
            'list /sys/class/net',
            'cat /sys/class/net/eth0/mtu',
            'cat /sys/class/net/eth0/address',
            'cat /proc/net/route',
            'signal',
          ),
          { network, init: true },
        );
        assert.equal((await container.start()).ok, true);
        assert.ok(existsSync(`/sys/class/net/${bridge}/brif/${hostIfname}`));
        while (!container.output().includes('waiting')) await sleep(5);
        assert.match(container.output(), /^(eth0\nlo|lo\neth0)\n1400\n02:42:0a:fe:09:05\n/);
        assert.match(container.output(), /eth0\t00000000\t0109FE0A\t/);
        await container.stop();
        const deadline = Date.now() + 5000;
        while (existsSync(`/sys/class/net/${hostIfname}`) && Date.now() < deadline) await sleep(10);
        assert.equal(existsSync(`/sys/class/net/${hostIfname}`), false);
      } finally {
        link('delete', bridge);
      }
    });

    it('says which bridge is missing', async () => {
      const network = {
        mode: 'bridge',
        interfaces: [{ bridge: 'svnone0', hostIfname: 'svx0', ifname: 'eth0', address: '10.254.9.5/24' }],
      };
      assert.deepEqual(await refused(guest('id'), { network }), [
        'network',
        'bridge "svnone0" does not exist',
      ]);
    });

    it('refuses to join processes whose /proc it could only show together with the host', async () => {
      const namespaces = { pid: '/proc/1/ns/pid' };
      assert.equal((await refused(guest('id'), { namespaces }))[0], 'unsupported');
    });

    it('keeps a read-only root read-only and a tmpfs on it writable', async () => {
      const container = sandbox.container(guest('write /x y', 'write /tmp/x y'), {
        mounts: [{ type: 'tmpfs', target: '/tmp' }],
      });
      (container.spec['root'] as { readonly: boolean }).readonly = true;
      assert.equal((await container.start()).ok, true);
      await container.finished();
      assert.equal(container.output(), '/x: Read-only file system\n/tmp/x: ok\n');
    });

    it('runs from a sealed copy of its own binary, so that no container can rewrite it', async () => {
      const container = sandbox.container(guest('sleep 100000'), { init: true });
      assert.equal((await container.start()).ok, true);
      assert.match(readlinkSync(`/proc/${container.shimPid}/exe`), /^\/memfd:/);
      assert.match(readlinkSync(`/proc/${container.pid}/exe`), /^\/memfd:/);
    });
  });
});
