// docker run's limits, capabilities, devices, kernel settings and security options.
import type { Step } from '../step.ts';

const memory = '/sys/fs/cgroup/memory/memory';
const capabilities = (text: string) =>
  text
    .split('\n')
    .filter((line) => /^Cap|^NoNew|^Seccomp:/.test(line))
    .join('\n');

export const runLimits: Step[] = [
  { command: `run --rm -m 64m guest /guest cat ${memory}.limit_in_bytes`, out: '67108864\n' },
  {
    command: `run --rm -m 64m --memory-reservation 32m guest /guest cat ${memory}.soft_limit_in_bytes`,
    out: '33554432\n',
  },
  { command: 'run --name limits --memory-swap 96m -m 64m --cpus 0.5 --pids-limit 50 guest', out: /^uid=0/ },
  {
    command:
      "inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' limits",
    out: '67108864 100663296 500000000 50\n',
  },
  { command: 'rm limits', out: 'limits\n' },
  { command: 'run --rm --cpus 0.5 guest /guest cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us', out: '50000\n' },
  {
    command:
      'run --rm --cpu-period 50000 --cpu-quota 10000 guest /guest cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us',
    out: '10000\n',
  },
  { command: 'run --rm --cpu-shares 512 guest /guest cat /sys/fs/cgroup/cpu/cpu.shares', out: '512\n' },
  { command: 'run --rm --cpuset-cpus 0 guest /guest cat /sys/fs/cgroup/cpuset/cpuset.cpus', out: '0\n' },
  { command: 'run --rm --pids-limit 20 guest /guest cat /sys/fs/cgroup/pids/pids.max', out: '20\n' },
  { command: 'run --rm --pids-limit 5 guest /guest fork 20', out: /^forked \d\n/ },
  { command: 'run --name big -m 8m guest /guest memory 64', code: 137 },
  {
    alone: true,
    command: "inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}' big",
    out: 'true 137 exited\n',
  },
  { command: 'rm big', out: 'big\n' },
  {
    command: 'run --rm --ulimit nofile=100:200 guest /guest cat /proc/self/limits',
    out: /Max open files 100 200 files/,
    tidy: (text) => text.match(/Max open files.*\n/)?.[0] ?? '',
  },
  {
    command: 'run --rm --shm-size 1m guest /guest cat /proc/mounts',
    out: /size=1024k/,
    tidy: (text) => text.match(/.* \/dev\/shm .*\n/)?.[0].replaceAll(/id=\d+/g, 'id=<base>') ?? '',
  },
  {
    command: 'run --rm --sysctl net.ipv4.ip_forward=0 guest /guest cat /proc/sys/net/ipv4/ip_forward',
    out: '0\n',
  },
  {
    command: 'run --rm --sysctl kernel.shmmax=12345 guest /guest cat /proc/sys/kernel/shmmax',
    out: '12345\n',
  },
  { command: 'run --rm --oom-score-adj 500 guest /guest cat /proc/self/oom_score_adj', out: '500\n' },
  {
    command: 'run --rm guest /guest cat /proc/self/status',
    when: 'privileges',
    out: /Seccomp: 2/,
    tidy: capabilities,
  },
  {
    command: 'run --rm --cap-drop all --cap-add chown guest /guest cat /proc/self/status',
    out: /CapEff: 0000000000000001/,
    tidy: capabilities,
  },
  {
    command: 'run --rm --cap-add NET_ADMIN --cap-drop KILL guest /guest cat /proc/self/status',
    out: /CapEff/,
    tidy: capabilities,
  },
  {
    command: 'run --rm -u app guest /guest cat /proc/self/status',
    out: /CapEff: 0000000000000000/,
    tidy: capabilities,
  },
  {
    command: 'run --rm --security-opt no-new-privileges guest /guest cat /proc/self/status',
    out: /NoNewPrivs: 1/,
    tidy: capabilities,
  },
  {
    command: 'run --rm --security-opt no-new-privileges=false guest /guest cat /proc/self/status',
    out: /NoNewPrivs: 0/,
    tidy: capabilities,
  },
  {
    command: 'run --rm --security-opt seccomp=unconfined guest /guest cat /proc/self/status',
    out: /Seccomp: 0/,
    tidy: capabilities,
  },
  { command: 'run --rm --security-opt apparmor=unconfined guest /guest exit 0' },
  { command: 'run --rm --security-opt label=disable guest /guest exit 0' },
  { command: 'run --rm --security-opt colour=red guest', code: 125, err: /colour=red/ },
  {
    command: 'run --rm guest /guest calls',
    out: /^unshare: Operation not permitted\nmount: Operation not permitted\nclone3: Function not implemented\n/,
  },
  { command: 'run --rm --device /dev/fuse guest /guest stat /dev/fuse', out: /rdev 10:229/ },
  { command: 'run --rm --device /dev/fuse:/dev/other:r guest /guest stat /dev/other', out: /rdev 10:229/ },
  { command: "run --rm --device-cgroup-rule 'c 10:229 r' guest /guest exit 0" },
  {
    command: 'run --rm --init guest /guest list /proc',
    out: '2\n',
    tidy: (text) => `${text.split('\n').filter((line) => /^\d+$/.test(line)).length}\n`,
  },
  { command: 'run --name signals --stop-signal INT --stop-timeout 2 -d guest /guest signal', out: '<id>\n' },
  { command: "inspect -f '{{.Config.StopSignal}} {{.Config.StopTimeout}}' signals", out: 'INT 2\n' },
  { command: 'stop signals', out: 'signals\n' },
  { command: 'logs signals', out: 'waiting\ngot 2\n' },
  { command: 'rm signals', out: 'signals\n' },
  { command: 'run --name logged --log-opt max-size=1m --log-opt max-file=2 guest', out: /^uid=0/ },
  {
    command: "inspect -f '{{json .HostConfig.LogConfig}}' logged",
    out: '{"Type":"json-file","Config":{"max-file":"2","max-size":"1m"}}\n',
  },
  { command: 'rm logged', out: 'logged\n' },
  { command: 'run --name silent --log-driver none guest /guest say heard', out: 'heard\n' },
  { command: 'logs silent', code: 1, err: /configured logging driver does not support reading/ },
  { command: 'rm silent', out: 'silent\n' },
];
