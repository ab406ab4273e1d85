// docker network, published ports, names.
import { shape } from '../normalise.ts';
import type { Step } from '../step.ts';

export const networks: Step[] = [
  { command: 'network create net', out: '<id>\n' },
  { command: 'network create net', when: 'again', code: 1, err: /network with name net already exists/ },
  {
    command:
      'network create --subnet 10.77.0.0/24 --gateway 10.77.0.9 --ip-range 10.77.0.128/25 --label a=b --internal inner',
    out: '<id>\n',
  },
  {
    command:
      "network inspect -f '{{.Driver}} {{.Scope}} {{.Internal}} {{.Attachable}} {{.Labels}} {{json .IPAM}} {{.Options}}' inner",
    out: /10\.77\.0\.0\/24/,
    tidy: (text) => text.replace(/bridge.name:\S+\]/, 'bridge.name:<bridge>]'),
  },
  { command: 'network inspect bridge', tidy: shape },
  { command: 'network inspect nosuch', code: 1, out: '[]\n', err: /network nosuch not found/ },
  { command: "network ls --filter driver=bridge --format '{{.Name}}'", out: 'bridge\ninner\nnet\n' },
  { command: 'network ls -q --filter name=inner', out: '<short id>\n' },
  { command: 'network ls --filter colour=red', code: 1, err: /invalid filter 'colour'/ },
  {
    command: 'run -d --name server --network net --network-alias web guest /net listen 80 served',
    out: '<id>\n',
  },
  {
    command:
      "inspect -f '{{range $name, $net := .NetworkSettings.Networks}}{{$name}} {{$net.Aliases}} {{$net.IPPrefixLen}}{{end}}' server",
  },
  { command: 'network connect --ip 10.77.0.200 --alias inside inner server', out: '' },
  {
    command: 'network connect inner server',
    when: 'again',
    code: 1,
    err: /already exists in network|is already attached to network/,
  },
  { command: "inspect -f '{{.NetworkSettings.Networks.inner.IPAddress}}' server", out: '10.77.0.200\n' },
  {
    command: 'exec server /guest list /sys/class/net',
    out: /eth1/,
    tidy: (text) => `${text.trim().split('\n').sort().join('\n')}\n`,
  },
  { command: 'network disconnect inner server', out: '' },
  {
    command: 'network disconnect inner server',
    when: 'again',
    code: 1,
    err: /is not connected to (the )?network inner/,
  },
  { command: 'network rm net', when: 'in use', code: 1, err: /has active endpoints/ },
  { command: 'network connect nosuch server', code: 1, err: /network nosuch not found/ },
  { command: 'network connect net nosuch', code: 1, err: /No such container: nosuch/ },
  {
    command: 'network connect host server',
    code: 1,
    err: /cannot be disconnected from host network or connected to host network/,
  },
  { command: 'run --rm --network container:server guest /guest cat /etc/hostname', out: '<short id>\n' },
  { command: 'run --rm --network container:nosuch guest', code: 125, err: /No such container: nosuch/ },
  {
    command: 'run --rm --network container:server -p 80:80 guest',
    code: 125,
    err: /conflicting options: port publishing and the container type network mode/,
  },
  { command: 'rm -f server', out: 'server\n' },
  {
    command:
      'run -d --name one -p 127.0.0.1:$port0:80 -p 127.0.0.1:$port1:81/udp --expose 90 guest /net listen 80 served',
    out: '<id>\n',
  },
  { command: 'port one', out: '80/tcp -> 127.0.0.1:$port0\n81/udp -> 127.0.0.1:$port1\n' },
  {
    command: "ps --format '{{.Ports}}'",
    out: '90/tcp, 127.0.0.1:$port0->80/tcp, 127.0.0.1:$port1->81/udp\n',
  },
  {
    command: 'run --name two -p 127.0.0.1:$port0:80 guest',
    code: 125,
    err: /Bind for 127\.0\.0\.1:\$port0 failed: port is already allocated/,
  },
  { command: 'rm -f one two', out: 'one\ntwo\n' },
  { command: 'run -d --name any -P --expose 80 guest /net listen 80 served', out: '<id>\n' },
  { command: 'port any 80', out: '0.0.0.0:<port>\n' },
  { command: 'rm -f any', out: 'any\n' },
  { command: 'run --rm -p 99999:80 guest', code: 125, err: /invalid hostPort: 99999/ },
  { command: 'run --rm -p 80:word guest', code: 125, err: /invalid containerPort: word/ },
  { command: 'run --rm --network nosuch guest', code: 125, err: /network nosuch not found/ },
  {
    command: 'run --rm --network inner --ip 10.78.0.1 guest',
    code: 125,
    err: /no configured subnet|is not in|does not belong|Invalid address/i,
  },
  {
    command: 'run --rm --ip 10.201.0.77 guest',
    code: 125,
    err: /user specified IP address is supported on user defined networks only|user-configured subnets only/,
  },
  {
    command: 'run --rm --network-alias web guest',
    code: 125,
    err: /network-scoped alias(es)? (is|are) (only )?supported/,
  },
  {
    command: 'run --rm --mac-address 02:42:00:00:00:01 guest /guest cat /sys/class/net/eth0/address',
    out: '<mac>\n',
  },
  { command: 'network rm inner net', out: 'inner\nnet\n' },
  { command: 'network rm nosuch', code: 1, err: /network nosuch not found/ },
  { command: 'network rm bridge', code: 1, err: /bridge is a pre-defined network and cannot be removed/ },
  {
    command: 'network create bridge',
    code: 1,
    err: /operation is not permitted on predefined bridge network/,
  },
  { command: 'network create -d nosuch x', alone: true, code: 1, err: /nosuch/ },
  { command: 'network create --subnet word x', code: 1, err: /word/ },
  {
    command: 'network create --subnet 10.77.0.0/24 --gateway 10.78.0.1 x',
    code: 1,
    err: /no matching subnet for gateway/,
  },
  { command: 'network prune -f', out: '' },
];
