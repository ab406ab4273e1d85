// A container's life after docker run: every verb that is said to one.
import { shape, sorted } from '../normalise.ts';
import type { Step } from '../step.ts';

const events = "events --since 1h --until 0s --filter container=box --format '{{.Type}} {{.Action}}'";

export const containers: Step[] = [
  {
    command:
      'create --name box --label tier=web -p 127.0.0.1:$port3:80 --restart on-failure:2 guest /guest signal',
    out: '<id>\n',
  },
  {
    command: "ps -a --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}} {{.Ports}}'",
    out: 'box guest "/guest signal" Created\n',
  },
  { command: 'inspect box', tidy: shape },
  {
    command:
      "inspect -f '{{.Name}} {{.Path}} {{.Args}} {{.State.Status}} {{.RestartCount}} {{.Driver}} {{.Platform}}' box",
    out: '/box /guest [signal] created 0 overlay2 linux\n',
  },
  { command: "inspect -f '{{json .Config}}' box" },
  {
    command: "inspect -f '{{json .HostConfig}}' box",
    tidy: (text) => JSON.stringify(JSON.parse(text), null, 1),
  },
  { command: 'start box', out: 'box\n' },
  { command: 'start box', when: 'again', out: 'box\n' },
  { command: 'inspect box', when: 'running', tidy: shape },
  {
    command: "inspect -f '{{json .NetworkSettings.Ports}}' box",
    out: '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"$port3"}]}\n',
  },
  { command: 'inspect --size box', when: 'size', tidy: (text) => String(/"SizeRw": 0,/.test(text)) },
  {
    command: 'ps',
    when: 'one',
    out: /guest "\/guest signal" <while> Up <while> 127\.0\.0\.1:\$port3->80\/tcp box\n/,
  },
  { command: 'ps -q --no-trunc', out: '<id>\n' },
  {
    command: "ps -s --format '{{.Size}}'",
    out: /^0B \(virtual /,
    tidy: (text) => text.replace(/[\d.]+MB|[\d.]+kB/, '<size>'),
  },
  { command: 'ps --filter label=tier=web -q', out: '<short id>\n' },
  { command: 'ps --filter publish=80 -q', out: '' },
  { command: 'ps --filter publish=$port3 -q', out: '<short id>\n' },
  { command: 'ps --filter expose=80 -q', out: '<short id>\n' },
  { command: 'ps --filter colour=red', code: 1, err: /invalid filter 'colour'/ },
  { command: 'port box', out: '80/tcp -> 127.0.0.1:$port3\n' },
  { command: 'port box 80/tcp', out: '127.0.0.1:$port3\n' },
  { command: 'port box 81', code: 1, err: "Error: No public port '81' published for box\n" },
  {
    command: 'top box -o pid,args',
    out: /^PID COMMAND\n\d+ \/guest signal\n$/,
    tidy: (text) => text.replace(/^\d+/m, '1'),
  },
  { command: 'top box -o colour', code: 1, err: /unknown user-defined format specifier "colour"/ },
  { command: "stats --no-stream --format '{{.Name}} {{.PIDs}}' box", out: 'box 1\n' },
  { command: 'diff box', out: '' },
  { command: 'pause box', out: 'box\n' },
  { command: 'pause box', when: 'again', code: 1, err: /already paused/ },
  { command: "ps --format '{{.Status}}'", out: 'Up <while> (Paused)\n' },
  {
    command: 'exec box /guest id',
    when: 'paused',
    code: 1,
    err: /[Cc]ontainer box is paused, unpause the container before exec/,
  },
  { command: 'unpause box', out: 'box\n' },
  { command: 'unpause box', when: 'again', code: 1, err: /is not paused/ },
  { command: 'rename box crate', out: '' },
  {
    command: 'rename crate crate',
    code: 1,
    err: /Renaming a container with the same name as its current name/,
  },
  { command: 'rename crate box', out: '' },
  { command: 'update --memory 64m --memory-swap 64m --restart no box', out: 'box\n' },
  {
    command: "inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}' box",
    out: '67108864 no\n',
  },
  { command: 'rm box', when: 'running', code: 1, err: /container is running|running container/ },
  { command: 'kill -s HUP box', out: 'box\n' },
  { command: 'wait box', out: '0\n' },
  { command: 'logs box', out: 'waiting\ngot 1\n' },
  { command: 'kill box', code: 1, err: /is not running/ },
  { command: 'stop box', when: 'stopped', out: 'box\n' },
  { command: 'restart -t 1 box', out: 'box\n' },
  { command: 'stop -t 5 box', out: 'box\n' },
  {
    command: "inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' box",
    when: 'stopped',
    out: 'exited 0\n',
  },
  { command: "ps -a --filter exited=0 --format '{{.Names}} {{.Status}}'", out: 'box Exited (0) <while>\n' },

  { command: 'run --rm guest /guest sleep 1100', when: 'events are asked for up to the last whole second' },
  { command: events, out: /^container create$/m },
  { command: 'commit -m kept -a me box kept', out: 'sha256:<id>\n' },
  { command: 'rm box', out: 'box\n' },
  { command: 'rm box', when: 'again', code: 1, err: /No such container: box/ },
  { command: 'rm -f box', code: 0, err: /No such container: box/ },
  { command: 'rmi kept', out: 'Untagged: kept:latest\nDeleted: sha256:<id>\n' },
  { command: 'run -d --name one guest /guest sleep 60000' },
  { command: 'run -d --name two --restart unless-stopped guest /guest sleep 60000' },
  { command: 'stop -t 0 one two', out: 'one\ntwo\n' },
  {
    command: "inspect -f '{{.Name}} {{.State.ExitCode}} {{.State.OOMKilled}}' one two",
    out: '/one 137 false\n/two 137 false\n',
  },
  { command: 'start one two nosuch', code: 1, out: 'one\ntwo\n', err: /No such container: nosuch/ },
  { command: 'wait nosuch', code: 1, err: /No such container: nosuch/ },
  { command: 'kill one two', out: 'one\ntwo\n' },
  { command: 'container prune -f', out: /^Deleted Containers:\n<id>\n<id>\n\nTotal reclaimed space: 0B\n$/ },
  {
    command: "run -d --name well --health-cmd '/guest exit 0' --health-interval 1s guest /guest sleep 60000",
  },
  {
    command: "inspect -f '{{json .Config.Healthcheck}}' well",
    out: '{"Test":["CMD-SHELL","/guest exit 0"],"Interval":1000000000}\n',
  },
  {
    command: "ps --format '{{.Names}} {{.Status}}'",
    out: /^well Up <while> \((health: starting|unhealthy)\)\n$/,
    tidy: (text) => text.replace('unhealthy', 'health: starting'),
  },
  { command: 'rm -f well', out: 'well\n' },
  { command: 'ps -a', out: 'CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES\n' },
  {
    command: 'run --name other -l b=2 -l a=1 guest /guest write /file , write /etc/more',
    out: '/file: ok\n/etc/more: ok\n',
  },
  { command: 'diff other', out: 'A /etc/more\nA /file\nC /etc\n', tidy: sorted },
  { command: "inspect -f '{{json .Config.Labels}}' other", out: '{"a":"1","b":"2"}\n' },
  { command: 'rm -v other', out: 'other\n' },
];
