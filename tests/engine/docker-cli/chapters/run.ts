// docker run and create: naming, environment, files, namespaces, exit codes.
import { sorted } from '../normalise.ts';
import type { Step } from '../step.ts';

/** In an order of their own: which comes first is nobody's promise. */
const variables = (text: string) => sorted(text.replaceAll('\0', '\n'));

export const run: Step[] = [
  { command: 'run --rm guest', out: 'uid=0 gid=0 groups=0\n' },
  { command: 'run --rm guest /guest say hi', out: 'hi\n', err: '' },
  { command: 'run --rm guest /guest complain oh', out: '', err: 'oh\n' },
  { command: 'run --rm guest /guest exit 3', code: 3, err: '' },
  { command: 'run --rm --init guest /guest raise 9', code: 137 },
  { command: 'run --rm --init guest /guest raise 15', code: 143 },
  { command: 'run --rm guest nosuch', code: 127, err: /executable file not found in \$PATH/ },
  { command: 'run --rm guest /nosuch', code: 127, err: /\/nosuch.*no such file or directory/ },
  { command: 'run --rm guest /etc/passwd', code: 126, err: /permission denied/ },
  { command: 'run --rm guest /etc', code: 126, err: /permission denied|is a directory/ },
  { command: 'run --rm -i guest /guest cat -', stdin: 'through\n', out: 'through\n' },
  { command: 'run --rm guest /guest cat -', stdin: 'not through\n', out: '' },
  { command: 'run --rm -a stderr guest /guest say hidden , complain shown', out: '', err: 'shown\n' },
  { command: 'run --rm -t guest /guest tty', out: 'tty 1 /dev/pts/0 0x0 leader 1\n' },
  { command: 'run --rm -it guest /guest tty', code: 1, err: /the input device is not a TTY/ },
  { command: 'run --rm -h box guest /guest cat /etc/hostname', out: 'box\n' },
  {
    command: 'run --rm -h box --domainname example.org guest /guest cat /etc/hosts',
    out: /box.example.org box\n/,
  },
  {
    command: 'run --rm -e ONE=1 -e TWO guest /guest env ONE , env TWO , env GREETING',
    out: 'ONE=1\nTWO=(none)\nGREETING=hello\n',
  },
  {
    command: 'run --rm -e GREETING=bye guest /guest env GREETING , env PATH',
    out: 'GREETING=bye\nPATH=/bin\n',
  },
  { command: 'run --rm guest /guest cat /proc/self/environ', tidy: variables },
  {
    command: 'run --rm -e ZED=1 -e HOME=/x -e ALPHA=2 guest /guest cat /proc/self/environ',
    tidy: variables,
  },
  {
    command: 'run --rm --env-file $dir/env guest /guest env FROM_FILE , env SPACED',
    files: { env: '# comment\nFROM_FILE=yes\nSPACED=a b\n' },
    out: 'FROM_FILE=yes\nSPACED=a b\n',
  },
  { command: 'run --rm -w /etc guest /guest cwd', out: '/etc\n' },
  {
    command: 'run --rm -w /new/dir guest /guest cwd , stat /new/dir',
    out: /^\/new\/dir\n\/new\/dir: mode 40755 uid 0 gid 0/,
  },
  { command: 'run --rm -w /etc/passwd guest', code: 125, when: 'a file', err: /\/etc\/passwd/ },
  { command: 'run --rm -u app guest', out: 'uid=1000 gid=1001 groups=1001\n' },
  { command: 'run --rm -u 1000 guest', out: 'uid=1000 gid=1001 groups=1001\n' },
  { command: 'run --rm -u 7:8 guest', out: 'uid=7 gid=8 groups=8\n' },
  { command: 'run --rm -u app:root guest', out: 'uid=1000 gid=0 groups=0\n' },
  { command: 'run --rm -u app --group-add 50 --group-add root guest', out: /^uid=1000 gid=1001 groups=/ },
  {
    command: 'run --rm -u nobody guest',
    code: 125,
    err: /unable to find user nobody: no matching entries in passwd file/,
  },
  {
    command: 'run --rm -u app:none guest',
    code: 125,
    err: /unable to find group none: no matching entries in group file/,
  },
  { command: 'run --rm --entrypoint /guest guest say entered', out: 'entered\n' },
  { command: "run --rm --entrypoint '' guest /guest say reset", out: 'reset\n' },
  { command: "run --rm --entrypoint '' guest", code: 125, err: /no command specified/i },
  { command: 'run --rm --read-only guest /guest write /x', out: '/x: Read-only file system\n' },
  { command: 'run --rm --read-only --tmpfs /t guest /guest write /t/x', out: '/t/x: ok\n' },
  { command: 'run --rm --tmpfs /t:size=64k,mode=700 guest /guest stat /t', out: /mode 40700 uid 0 gid 0/ },
  {
    command: 'run --rm -v $dir/shared:/shared guest /guest cat /shared/a',
    files: { 'shared/a': 'mine\n' },
    out: 'mine\n',
  },
  {
    command: 'run --rm -v $dir/shared:/shared:ro guest /guest write /shared/b',
    out: '/shared/b: Read-only file system\n',
  },
  { command: 'run --rm -v $dir/made:/made guest /guest list /made', out: '' },
  {
    command: 'run --rm --mount type=bind,source=$dir/shared,target=/s,readonly guest /guest list /s',
    out: 'a\n',
  },
  {
    command: 'run --rm --mount type=bind,source=$dir/none,target=/s guest',
    code: 125,
    err: /bind source path does not exist: \$dir\/none/,
  },
  {
    command: 'run --rm --mount type=tmpfs,destination=/t,tmpfs-mode=0700 guest /guest stat /t',
    out: /mode 40700/,
  },
  { command: 'run --rm --pid host guest /guest exit 0' },
  { command: 'run --rm --ipc host guest /guest exit 0' },
  { command: 'run --rm --uts host guest /guest exit 0' },
  { command: 'run --rm --userns host guest /guest cat /proc/self/uid_map', out: /^ 0 0 4294967295\n/ },
  { command: 'run --rm --network host guest /guest exit 0' },
  { command: 'run --rm --network none guest /guest list /sys/class/net', out: 'lo\n' },
  { command: 'run --rm --add-host db:10.1.2.3 guest /guest cat /etc/hosts', out: /^10\.1\.2\.3 db$/m },
  {
    command:
      'run --rm --dns 10.9.8.7 --dns-search example.org --dns-option ndots:3 guest /guest cat /etc/resolv.conf',
    out: /^search example.org$/m,
  },
  { command: 'run --rm guest /guest cat /etc/hosts', out: /^127\.0\.0\.1 localhost$/m },
  { command: 'run --rm --annotation one=two guest /guest exit 0' },
  { command: 'run --rm --cidfile $dir/cid guest /guest exit 0' },
  {
    command: 'run --rm --cidfile $dir/cid guest /guest exit 0',
    when: 'again',
    code: 125,
    err: /container ID file found/,
  },
  { command: 'run --rm --pull never guest /guest say here', out: 'here\n' },
  { command: 'run --rm --pull never nosuch', code: 125, err: /No such image: nosuch:latest/ },
  { command: 'run --rm --pull sometimes guest', code: 125, err: /invalid pull option/ },
  { command: 'run --rm --platform linux/amd64 guest /guest say amd', out: 'amd\n' },
  { command: 'run --rm --runtime nosuch guest', alone: true, code: 125, err: /nosuch/ },
  { command: 'run -d --name left guest /guest nosuch', out: '<id>\n' },
  { command: 'wait left', out: '0\n' },
  { command: 'run -d --name never guest /nosuch', code: 127, out: '<id>\n' },
  { command: "inspect -f '{{.State.Status}} {{.State.ExitCode}}' never", out: 'created 127\n' },
  { command: 'rm left never', out: 'left\nnever\n' },
  { command: 'run -d --rm --name gone guest /guest exit 0', out: '<id>\n' },
];
