// A person at a terminal: typing, Ctrl-C, detaching, changing the window's size.
import type { Step } from '../step.ts';

const detach = '\u0010\u0011'; // ctrl-p, ctrl-q
const interrupt = '\u0003';
const endOfFile = '\u0004';

/** Docker sets the size after the start: what a program sees first is chance. */
const anySize = (text: string) => text.replace(/\d+x\d+/, '<size>').replace(/pts\/\d/, 'pts/<n>');

export const terminal: Step[] = [
  {
    command: 'run --rm -it guest /guest tty',
    terminal: [],
    tidy: anySize,
    when: 'at a terminal',
    out: 'tty 1 /dev/pts/<n> <size> leader 1\n',
  },
  {
    command: 'run --rm -it guest /guest tty , say sized',
    terminal: [],
    alone: true,
    out: 'tty 1 /dev/pts/0 24x80 leader 1\nsized\n',
  },
  {
    command: 'run --rm -it guest /guest say ready , cat -',
    terminal: [
      { see: 'ready', send: 'typed\n' },
      { see: 'typed\r\ntyped', send: endOfFile },
    ],
    out: 'ready\ntyped\ntyped\n',
  },
  {
    command: 'run --rm -it --init guest /guest say ready , sleep 60000',
    terminal: [{ see: 'ready', send: interrupt }],
    code: 130,
  },
  {
    command: 'run --rm guest /guest signal',
    when: 'Ctrl-C without -t',
    terminal: [{ see: 'waiting', send: interrupt }],
    out: /got 2\n/,
  },
  {
    command: 'run --rm -it guest /guest signal , sleep 500 , sleep 500 , tty',
    terminal: [{ see: 'waiting', send: { rows: 40, columns: 120 } }],
    alone: true,
    out: 'waiting\ngot 28\ntty 1 /dev/pts/0 40x120 leader 1\n',
  },
  {
    command: 'run -it --name left guest /guest say ready , cat -',
    terminal: [{ see: 'ready', send: detach }],
    out: /^ready\n/,
  },
  { command: "inspect -f '{{.State.Running}}' left", out: 'true\n' },
  { command: 'rm -f left', out: 'left\n' },
  {
    command: 'run -it --detach-keys ctrl-x,x --name left guest /guest say ready , cat -',
    terminal: [{ see: 'ready', send: '\u0018x' }],
    out: /^ready\n/,
  },
  {
    command: 'exec -it left /guest say ready , cat -',
    terminal: [{ see: 'ready', send: detach }],
    code: 1,
    out: /read escape sequence/,
  },
  {
    command: 'exec -it left /guest say ready , sleep 60000',
    terminal: [{ see: 'ready', send: interrupt }],
    code: 130,
  },
  {
    command: 'exec -it left /guest tty',
    terminal: [],
    tidy: anySize,
    out: 'tty 1 /dev/pts/<n> <size> leader 1\n',
  },
  {
    command: 'exec -it left /guest signal , tty',
    terminal: [{ see: 'waiting', send: { rows: 40, columns: 120 } }],
    alone: true,
    tidy: (text) => text.replace(/pts\/\d/, 'pts/<n>'),
    out: 'waiting\ngot 28\ntty 1 /dev/pts/<n> 40x120 leader 1\n',
  },
  { command: 'exec -it left /guest exit 7', terminal: [], code: 7 },
  { command: 'exec -it left /nosuch', terminal: [], code: 127 },
  { command: 'logs left', out: /^ready\n/ },
  { command: 'rm -f left', when: 'once more', out: 'left\n' },
  { command: 'run -dit --name window guest /guest signal', out: '<id>\n' },
  { command: 'attach window', terminal: [], out: /got 28\n/ },
  { command: 'rm window', out: 'window\n' },
  { command: 'run --rm -it guest /nosuch', terminal: [], code: 127, out: /no such file or directory/ },
  { command: 'run --rm -it guest /guest exit 9', terminal: [], code: 9 },
];
