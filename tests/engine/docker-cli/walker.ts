// Runs the steps of the walk with the docker CLI against one engine, whichever it is, and keeps what each of them said.
// Used by the walk's test and by write-differences.ts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ran, run } from '../registry-clients.ts';
import { normalise } from './normalise.ts';
import { type Exchange, nameOf, type Step, words } from './step.ts';

/** Ports of this run alone are $port0 to $port9: other runs may be under way on this machine. */
const ports = String(4500 + (process.pid % 200));
const commandLimitMs = 20_000; // a command that hangs must fail its step, not the walk

export interface Engine {
  socket: string;
  /** A folder for the files of the steps and the CLI's own. */
  dir: string;
}

/** What a step said, normalised. */
export interface Said {
  code: number;
  out: string;
  err: string;
}

export type Walked = Map<string, Said>;

/** All steps, or for a peer only those that can be compared. */
export async function walk(engine: Engine, steps: readonly Step[], isPeer = false): Promise<Walked> {
  const walked: Walked = new Map();
  const files = join(engine.dir, 'files');
  mkdirSync(files, { recursive: true });
  for (const step of steps) {
    const name = nameOf(step);
    if (walked.has(name)) throw new Error(`two steps are called "${name}": give one of them a "when"`);
    if (!isPeer || step.alone !== true) walked.set(name, await take(engine, files, step));
  }
  return walked;
}

async function take(engine: Engine, files: string, step: Step): Promise<Said> {
  for (const [name, text] of Object.entries(step.files ?? {})) {
    mkdirSync(join(files, name, '..'), { recursive: true });
    writeFileSync(join(files, name), text);
  }
  const args = words(step.command.replaceAll('$dir', files).replaceAll('$port', ports));
  const ran = step.terminal
    ? await runInTerminal(engine, args, step.terminal)
    : await run('docker', args, environment(engine), step.stdin ?? '', commandLimitMs);
  const tidy = (text: string) =>
    normalise(step.tidy && ran.code === 0 ? step.tidy(text) : text, files, ports);
  return { code: ran.code, out: tidy(ran.stdout), err: normalise(ran.stderr, files, ports) };
}

export function environment(engine: Engine): Record<string, string> {
  return { DOCKER_HOST: `unix://${engine.socket}`, HOME: engine.dir, DOCKER_BUILDKIT: '0', TERM: 'dumb' };
}

async function runInTerminal(engine: Engine, args: string[], exchanges: Exchange[]): Promise<Ran> {
  const job = JSON.stringify({ argv: ['docker', ...args], exchanges });
  const driver = join(import.meta.dirname, 'terminal.py');
  const ran = await run('python3', [driver], environment(engine), job);
  if (ran.code !== 0) throw new Error(`the terminal's driver failed: ${ran.stderr}`);
  const { code, text } = JSON.parse(ran.stdout) as { code: number; text: string };
  return { code, stdout: text, stderr: '' };
}
