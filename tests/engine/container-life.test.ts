// A container's life as the docker CLI tells it: ps and its filters, events in order, restart policies, names, prune, exit codes, inspect.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bfld');
});

after(async () => {
  await engine.close();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function names(...filters: string[]): Promise<string[]> {
  const flags = filters.flatMap((filter) => ['--filter', filter]);
  const text = await docker('ps', '-a', '--format', '{{.Names}}', ...flags);
  return text.split('\n').filter((line) => line !== '');
}

describe('ps', () => {
  test('every filter chooses what it says', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'first',
      '--label',
      'tier=web',
      '--expose',
      '8080',
      'guest',
      '/guest',
      'sleep',
      '60000',
    );
    await docker('run', '--name', 'second', '-v', '/tmp:/data:ro', 'guest', '/guest', 'say', 'x');
    await engine.docker(['run', '--name', 'third', '--network', 'none', 'guest', '/guest', 'exit', '3']);
    await docker('create', '--name', 'fourth', 'guest');
    assert.deepEqual(await names(), ['fourth', 'third', 'second', 'first']);
    assert.deepEqual(await names('status=running'), ['first']);
    assert.deepEqual(await names('status=exited', 'status=created'), ['fourth', 'third', 'second']);
    assert.deepEqual(await names('exited=3'), ['third']);
    assert.deepEqual(await names('label=tier'), ['first']);
    assert.deepEqual(await names('label=tier=db'), []);
    assert.deepEqual(await names('name=^/s'), ['second']);
    assert.deepEqual(await names('before=third'), ['second', 'first']);
    assert.deepEqual(await names('since=second'), ['fourth', 'third']);
    assert.deepEqual(await names('ancestor=guest', 'name=first'), ['first']);
    assert.deepEqual(await names('ancestor=other'), []);
    assert.deepEqual(await names('expose=8000-8090'), ['first']);
    assert.deepEqual(await names('network=none'), ['third']);
    assert.deepEqual(await names('volume=/data'), ['second']);
    assert.deepEqual(await names('health=none', 'name=first'), ['first']);
    assert.deepEqual(await names('is-task=true'), []);
    assert.equal(
      await docker('ps', '--format', '{{.Names}} {{.Command}}', '--no-trunc'),
      'first "/guest sleep 60000"\n',
    );
    assert.equal((await docker('ps', '-q', '-n', '2')).trim().split('\n').length, 2);
    assert.match(await docker('ps', '-l', '--format', '{{.Names}} {{.Status}}'), /^fourth Created/);
    for (const wrong of ['colour=red', 'status=tired', 'before=nobody'])
      assert.equal((await engine.docker(['ps', '-a', '--filter', wrong])).code, 1);
    const pruned = await docker('container', 'prune', '-f', '--filter', 'until=1h');
    assert.match(pruned, /Total reclaimed space: 0B/);
    await docker('container', 'prune', '-f', '--filter', 'label!=keep');
    assert.deepEqual(await names(), ['first']);
    await docker('rm', '-f', 'first');
  });
});

describe('events', () => {
  test('a whole life is told in order', async () => {
    const since = String(Date.now() / 1000);
    const id = (await docker('run', '-d', '--name', 'told', 'guest', '/guest', 'sleep', '60000')).trim();
    await docker('exec', 'told', '/guest', 'id');
    for (const verb of ['pause', 'unpause', 'top']) await docker(verb, 'told');
    await docker('rename', 'told', 'retold');
    await docker('update', '--pids-limit', '99', 'retold');
    await docker('stop', '-t', '0', 'retold');
    await docker('start', 'retold');
    await docker('kill', 'retold');
    await docker('rm', 'retold');
    const text = await docker(
      'events',
      '--since',
      since,
      '--until',
      String(Date.now() / 1000),
      '--filter',
      `container=${id}`,
      '--format',
      '{{.Action}}',
    );
    assert.deepEqual(text.trim().split('\n'), [
      'create',
      'start',
      'exec_create: /guest id',
      'exec_start: /guest id',
      'exec_die',
      'pause',
      'unpause',
      'top',
      'rename',
      'update',
      'kill',
      'kill',
      'die',
      'stop',
      'start',
      'kill',
      'die',
      'destroy',
    ]);
  });
});

describe('restart policies', () => {
  const starts = async (name: string) => (await docker('logs', name)).split('\n').length - 1;

  test('on-failure counts, always goes on, and a stop ends both', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'thrice',
      '--restart',
      'on-failure:2',
      'guest',
      '/guest',
      'say',
      'go',
      ',',
      'exit',
      '5',
    );
    await eventually('it gives up', async () => (await names('status=exited')).includes('thrice'));
    assert.equal(await starts('thrice'), 3);
    assert.equal(await docker('inspect', '-f', '{{.RestartCount}}', 'thrice'), '2\n');
    await docker(
      'run',
      '-d',
      '--name',
      'ever',
      '--restart',
      'always',
      'guest',
      '/guest',
      'say',
      'go',
      ',',
      'sleep',
      '50',
    );
    await eventually('it comes back', async () => (await starts('ever')) >= 3);
    await docker('stop', '-t', '0', 'ever');
    assert.deepEqual(await names('status=running', 'status=restarting'), []);
    await docker('rm', 'thrice', 'ever');
    const both = await engine.docker(['run', '--rm', '--restart', 'always', 'guest']);
    assert.equal(both.code, 125);
  });

  test('a daemon that comes back starts what was not stopped, and always what may always run', async () => {
    const run = (name: string, policy: string) =>
      docker('run', '-d', '--name', name, '--restart', policy, 'guest', '/guest', 'sleep', '60000');
    await run('stopped', 'unless-stopped');
    await run('kept', 'unless-stopped');
    await run('anyway', 'always');
    await docker('stop', '-t', '0', 'stopped', 'anyway');
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    await eventually('the policy is applied', async () => (await names('status=running')).includes('anyway'));
    assert.deepEqual((await names('status=running')).sort(), ['anyway', 'kept']);
    await docker('update', '--restart', 'no', 'kept');
    assert.equal(await docker('inspect', '-f', '{{.HostConfig.RestartPolicy.Name}}', 'kept'), 'no\n');
    await docker('rm', '-f', 'stopped', 'kept', 'anyway');
  });
});

describe('names, codes and inspect', () => {
  test('a name belongs to one container, and its container is what an error names', async () => {
    const id = (await docker('create', '--name', 'mine', 'guest')).trim();
    const taken = await engine.docker(['create', '--name', 'mine', 'guest']);
    assert.match(
      taken.stderr,
      new RegExp(`Conflict. The container name "/mine" is already in use by container "${id}"`),
    );
    assert.equal((await engine.docker(['rename', 'mine', 'mine'])).code, 1);
    await docker('rename', 'mine', 'yours');
    const gone = await engine.docker(['inspect', 'mine']);
    assert.deepEqual([gone.code, gone.stdout, gone.stderr], [1, '[]\n', 'Error: No such object: mine\n']);
    await docker('rm', 'yours');
  });

  test('exit codes are those of docker', async () => {
    const code = async (...args: string[]) => (await engine.docker(['run', '--rm', ...args])).code;
    assert.deepEqual(
      [
        await code('guest', '/guest', 'exit', '42'),
        await code('guest', '/missing'),
        await code('guest', '/etc/passwd'),
        await code('--init', 'guest', '/guest', 'raise', '15'),
        await code('--isolation', 'hyperv', 'guest'),
        await code('--log-opt', 'colour=red', 'guest'),
        await code('--platform', 'linux/s390x', 'guest'),
      ],
      [42, 127, 126, 143, 125, 125, 125],
    );
  });

  test('several waits, and the state in which each container ended', async () => {
    await docker('run', '-d', '--name', 'w1', 'guest', '/guest', 'sleep', '150', ',', 'exit', '3');
    await docker('run', '-d', '--name', 'w2', 'guest', '/guest', 'sleep', '80', ',', 'exit', '4');
    assert.equal(await docker('wait', 'w1', 'w2'), '3\n4\n');
    const state = JSON.parse(await docker('inspect', '-f', '{{json .State}}', 'w1')) as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      [state['Status'], state['Running'], state['ExitCode'], state['OOMKilled'], state['Pid']],
      ['exited', false, 3, false, 0],
    );
    await docker('rm', 'w1', 'w2');
  });

  test('inspect shows what was asked for, in full', async () => {
    await docker(
      'create',
      '--name',
      'whole',
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '--cap-add',
      'NET_RAW',
      '--stop-timeout',
      '7',
      '--stop-signal',
      'INT',
      '--annotation',
      'a=b',
      '--group-add',
      '50',
      '-e',
      'X=1',
      '--entrypoint',
      '/guest',
      'guest',
      'id',
    );
    const [shown] = JSON.parse(await docker('inspect', 'whole')) as [
      { HostConfig: Record<string, unknown>; Config: Record<string, unknown>; Path: string; Args: string[] },
    ];
    const { HostConfig, Config } = shown;
    assert.deepEqual([shown.Path, shown.Args], ['/guest', ['id']]);
    assert.deepEqual(
      [
        HostConfig['Memory'],
        HostConfig['NanoCpus'],
        HostConfig['CapAdd'],
        HostConfig['Annotations'],
        HostConfig['GroupAdd'],
      ],
      [64 << 20, 5e8, ['CAP_NET_RAW'], { a: 'b' }, ['50']],
    );
    assert.deepEqual([Config['StopTimeout'], Config['StopSignal']], [7, 'INT']);
    assert.deepEqual(
      [HostConfig['Runtime'], HostConfig['IpcMode'], HostConfig['CgroupnsMode'], HostConfig['Isolation']],
      ['berth', 'private', 'private', ''],
    );
    await docker('rm', 'whole');
  });

  test('limits that this kernel lacks are named, and info tells which there are', async () => {
    const info = JSON.parse(await docker('info', '--format', '{{json .}}')) as Record<string, unknown>;
    assert.deepEqual([info['MemoryLimit'], info['PidsLimit'], info['Warnings']], [true, true, []]);
    const version = await docker('version', '--format', '{{.Server.APIVersion}} {{.Server.Os}}');
    assert.match(version, /^1\.\d+ linux\n$/);
  });
});
