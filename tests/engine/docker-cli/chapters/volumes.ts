// docker volume, and containers that use volumes.
import type { Step } from '../step.ts';

export const volumes: Step[] = [
  { command: 'volume create data', out: 'data\n' },
  { command: 'volume create data', when: 'again', out: 'data\n' },
  { command: 'volume create --label kind=test --driver local other', out: 'other\n' },
  { command: "volume ls --format '{{.Driver}} {{.Name}}'", out: 'local data\nlocal other\n' },
  { command: 'volume ls -q --filter label=kind=test', out: 'other\n' },
  { command: 'volume ls --filter colour=red', code: 1, err: /invalid filter 'colour'/ },
  {
    command: "volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}} {{json .Options}}' other",
  },
  { command: 'volume inspect nosuch', code: 1, out: '[]\n', err: /get nosuch: no such volume/ },
  { command: 'run --rm -v data:/d guest /guest write /d/file kept', out: '/d/file: ok\n' },
  {
    command: 'run --rm -v data:/d:ro guest /guest cat /d/file , write /d/more',
    out: 'kept/d/more: Read-only file system\n',
  },
  {
    command: 'run --rm -v new:/etc guest /guest list /etc',
    out: /passwd/,
    tidy: (text) =>
      text
        .split('\n')
        .filter((line) => /passwd|group/.test(line))
        .sort()
        .join('\n'),
  },
  { command: 'run --rm --mount source=data,target=/d guest /guest cat /d/file', out: 'kept' },
  { command: 'run -d --name user -v data:/d -v /anonymous guest /guest sleep 60000', out: '<id>\n' },
  {
    command: "inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}} {{.Driver}};{{end}}' user",
    tidy: (text) => text.trim().split(';').sort().join('\n'),
  },
  { command: 'run --rm --volumes-from user guest /guest cat /d/file', out: 'kept' },
  {
    command: 'run --rm --volumes-from user:ro guest /guest write /d/x',
    out: '/d/x: Read-only file system\n',
  },
  { command: 'volume rm data', when: 'in use', code: 1, err: /remove data: volume is in use - \[<id>\]/ },
  { command: "ps --filter volume=data --format '{{.Names}}'", out: 'user\n' },
  { command: 'rm -fv user', out: 'user\n' },
  { command: 'volume ls -q', out: 'data\nnew\nother\n' },
  { command: 'volume rm data new', out: 'data\nnew\n' },
  { command: 'volume rm data', when: 'again', code: 1, err: /get data: no such volume/ },
  { command: 'volume rm -f data', out: 'data\n' },
  { command: 'volume create -d nosuch x', alone: true, code: 1, err: /nosuch/ },
  { command: "volume create 'a b'", code: 1, err: /includes invalid characters for a local volume name/ },
  { command: 'volume create x', code: 1, err: /volume name is too short/ },
  { command: 'volume create -o type=tmpfs -o device=tmpfs -o o=size=1m memory', out: 'memory\n' },
  { command: 'run --rm -v memory:/m guest /guest write /m/x', out: '/m/x: ok\n' },
  { command: 'volume prune -f', code: 0, tidy: () => '' },
  { command: 'volume prune -af', code: 0, tidy: () => '' },
  { command: 'volume ls -q', when: 'after prune', out: '' },
];
