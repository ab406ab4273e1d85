// docker version, info, system, login, search, and the families of commands that a single engine does not have.
import { shape } from '../normalise.ts';
import type { Step } from '../step.ts';

/** Which runtimes there are is the machine's business. */
const withoutRuntimes = (text: string) => shape(text).replaceAll(/^\.Runtimes\..*\n/gm, '');

export const system: Step[] = [
  { command: "version --format '{{.Server.Os}}/{{.Server.Arch}}'", out: 'linux/amd64\n' },
  { command: "version --format '{{json .Server}}'", tidy: shape },
  { command: "info --format '{{json .}}'", tidy: withoutRuntimes },
  {
    command:
      "info --format '{{.OSType}} {{.Driver}} {{.LoggingDriver}} {{.Containers}} {{.Images}} {{.Swarm.LocalNodeState}}'",
    out: 'linux overlay2 json-file 0 1 inactive\n',
  },
  { command: 'ps', out: 'CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES\n' },
  { command: 'images', out: /^guest latest <short id> /m },
  { command: 'volume ls', out: 'DRIVER VOLUME NAME\n' },
  { command: 'network ls', out: /bridge bridge local\n.*host host local\n.*none null local\n/ },
  {
    command: "system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'",
    out: /^Images 1 0\nContainers 0 0$/m,
  },
  {
    command: 'system df -v',
    out: /^Images space usage:/,
    tidy: (text) => text.replaceAll(/[\d.]+[kM]?B/g, '<size>'),
  },
  { command: 'system prune -f', out: 'Total reclaimed space: 0B\n' },
  { command: 'system prune -f --volumes', out: 'Total reclaimed space: 0B\n' },
  { command: 'events --since 1 --until 2', out: '' },
  { command: "events --since 1 --until 2 --filter event=start --format '{{json .}}'", out: '' },
  { command: 'events --since foo', code: 1, err: /failed to parse value as time or duration: "foo"/ },
  {
    command: 'login -u me --password-stdin localhost:1',
    stdin: 'secret',
    code: 1,
    err: /connection refused/,
  },
  { command: 'logout localhost:1', out: 'Removing login credentials for localhost:1\n' },
  { command: 'search web', code: 1, err: /Error response from daemon/ },
  { command: 'plugin ls', out: 'ID NAME DESCRIPTION ENABLED\n' },
  { command: 'swarm init', code: 1, err: /Error response from daemon/ },
  { command: 'node ls', code: 1, err: /Error response from daemon/ },
  { command: 'service ls', code: 1, err: /Error response from daemon/ },
  { command: 'secret ls', code: 1, err: /Error response from daemon/ },
  { command: 'config ls', code: 1, err: /Error response from daemon/ },
  { command: 'stack ls', code: 1, err: /Error response from daemon/ },
  { command: 'builder prune -f', out: 'Total reclaimed space: 0B\n' },
];
