// Instructions that change an image's config and no file: state in, state out. Pure.
import { AppError } from '@berth/kit/errors.ts';
import { mergeEnv } from '../containers/merge-image-config.ts';
import { signalNumber } from '../containers/signals.ts';
import type { ImageDefaults } from '../images/image-config.ts';
import type { Command, Instruction } from './language/instruction.ts';
import type { StageState } from './stage-state.ts';
import type { VariableScope } from './variable-scope.ts';

export type ConfigInstruction = Exclude<
  Instruction,
  { kind: 'from' | 'run' | 'copy' | 'add' | 'workdir' | 'arg' }
>;

export interface ConfigChange {
  config: ImageDefaults;
  author: string;
  hasOwnCmd: boolean;
  /** As `docker history` shows it. */
  createdBy: string;
}

const defaultShell = ['/bin/sh', '-c'];

export function applyConfig(
  state: StageState,
  instruction: ConfigInstruction,
  scope: VariableScope,
): ConfigChange {
  const { config, author, hasOwnCmd } = state;
  const { more, createdBy } = isCommand(instruction)
    ? commandChange(state, instruction)
    : valueChange(config, instruction, scope);
  return {
    config: { ...config, ...more },
    author: instruction.kind === 'maintainer' ? instruction.value : author,
    hasOwnCmd: hasOwnCmd || instruction.kind === 'cmd',
    createdBy: `/bin/sh -c #(nop)  ${instruction.kind.toUpperCase()} ${createdBy}`,
  };
}

interface Change {
  more: Partial<ImageDefaults>;
  createdBy: string;
}

type CommandInstruction = Extract<ConfigInstruction, { kind: 'cmd' | 'entrypoint' | 'healthcheck' }>;

function isCommand(instruction: ConfigInstruction): instruction is CommandInstruction {
  return ['cmd', 'entrypoint', 'healthcheck'].includes(instruction.kind);
}

/** What takes commands: no variable in them is ours to expand. */
function commandChange({ config, hasOwnCmd }: StageState, instruction: CommandInstruction): Change {
  if (instruction.kind === 'healthcheck') {
    const Healthcheck = { ...instruction.check, ...healthTest(instruction.command, config) };
    return { more: { Healthcheck }, createdBy: JSON.stringify(Healthcheck) };
  }
  const argv = argvOf(instruction.command, config);
  if (instruction.kind === 'cmd') return { more: { Cmd: argv }, createdBy: JSON.stringify(argv) };
  // A command inherited from the base was written for another entrypoint.
  const cmd = hasOwnCmd ? {} : { Cmd: null };
  return { more: { Entrypoint: argv, ...cmd }, createdBy: JSON.stringify(argv) };
}

function valueChange(
  config: ImageDefaults,
  instruction: Exclude<ConfigInstruction, CommandInstruction>,
  scope: VariableScope,
): Change {
  const { line } = instruction;
  const expand = (text: string) => scope.expand(text, config.Env, line);
  switch (instruction.kind) {
    case 'env': {
      const entries = instruction.pairs.map(({ name, value }) => `${expand(name)}=${expand(value)}`);
      return { more: { Env: mergeEnv(config.Env, entries) }, createdBy: entries.join(' ') };
    }
    case 'label': {
      const pairs = instruction.pairs.map(({ name, value }) => [expand(name), expand(value)] as const);
      const Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
      return { more: { Labels }, createdBy: pairs.map(([name, value]) => `${name}=${value}`).join(' ') };
    }
    case 'user':
      return { more: { User: expand(instruction.value) }, createdBy: expand(instruction.value) };
    case 'stopsignal': {
      const StopSignal = expand(instruction.value);
      atLine(line, () => signalNumber(StopSignal));
      return { more: { StopSignal }, createdBy: StopSignal };
    }
    case 'maintainer':
      return { more: {}, createdBy: instruction.value };
    case 'expose': {
      const ports = scope
        .expandWords(instruction.ports, config.Env, line)
        .flatMap((port) => portsOf(port, line));
      const added = Object.fromEntries(ports.map((port) => [port, {}]));
      return { more: { ExposedPorts: { ...config.ExposedPorts, ...added } }, createdBy: ports.join(' ') };
    }
    case 'volume': {
      const paths = instruction.paths.map(expand);
      const added = Object.fromEntries(paths.map((path) => [path, {}]));
      return { more: { Volumes: { ...config.Volumes, ...added } }, createdBy: JSON.stringify(paths) };
    }
    case 'shell':
      return { more: { Shell: instruction.words }, createdBy: JSON.stringify(instruction.words) };
    case 'onbuild':
      return { more: { OnBuild: [...config.OnBuild, instruction.trigger] }, createdBy: instruction.trigger };
  }
}

export function shellOf(config: ImageDefaults): string[] {
  return config.Shell ?? defaultShell;
}

export function argvOf(command: Command, config: ImageDefaults): string[] {
  return 'exec' in command ? command.exec : [...shellOf(config), command.shell];
}

function healthTest(command: Command | undefined, config: ImageDefaults): { Test?: string[] } {
  if (!command) return {};
  if ('exec' in command) return { Test: ['CMD', ...command.exec] };
  // CMD-SHELL means the image's own shell; another one must be named.
  return config.Shell === null
    ? { Test: ['CMD-SHELL', command.shell] }
    : { Test: ['CMD', ...config.Shell, command.shell] };
}

const maxPorts = 10_000;

/** `80`, `53/udp`, `8000-8010`; also `host:container`, of which Docker keeps the container's part. */
function portsOf(text: string, line: number): string[] {
  const [numbers = '', protocol = 'tcp', ...rest] = text.split('/');
  const [first = '', last = first, ...more] = (numbers.split(':').at(-1) ?? '').split('-');
  const [low, high] = [Number(first), Number(last)];
  const isRight =
    rest.length === 0 &&
    more.length === 0 &&
    /^\d+$/.test(first) &&
    /^\d+$/.test(last) &&
    low >= 1 &&
    low <= high &&
    high <= 65_535 &&
    high - low < maxPorts &&
    ['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase());
  if (!isRight)
    throw new AppError('bad_request', `dockerfile line ${line}: invalid containerPort: ${text.slice(0, 60)}`);
  return Array.from({ length: high - low + 1 }, (_, index) => `${low + index}/${protocol.toLowerCase()}`);
}

function atLine(line: number, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new AppError('bad_request', `dockerfile line ${line}: ${message}`);
  }
}
