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
  const { config } = state;
  const change = (more: Partial<ImageDefaults>, createdBy: string): ConfigChange => ({
    config: { ...config, ...more },
    author: state.author,
    hasOwnCmd: state.hasOwnCmd,
    createdBy: `/bin/sh -c #(nop)  ${createdBy}`,
  });
  const { line } = instruction;
  const expand = (text: string) => scope.expand(text, config.Env, line);
  switch (instruction.kind) {
    case 'env': {
      const entries = instruction.pairs.map(({ name, value }) => `${expand(name)}=${expand(value)}`);
      return change({ Env: mergeEnv(config.Env, entries) }, `ENV ${entries.join(' ')}`);
    }
    case 'label': {
      const pairs = instruction.pairs.map(({ name, value }) => [expand(name), expand(value)] as const);
      const Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
      return change({ Labels }, `LABEL ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`);
    }
    case 'user':
      return change({ User: expand(instruction.value) }, `USER ${expand(instruction.value)}`);
    case 'stopsignal': {
      const StopSignal = expand(instruction.value);
      atLine(line, () => signalNumber(StopSignal));
      return change({ StopSignal }, `STOPSIGNAL ${StopSignal}`);
    }
    case 'maintainer':
      return { ...change({}, `MAINTAINER ${instruction.value}`), author: instruction.value };
    case 'expose': {
      const ports = scope
        .expandWords(instruction.ports, config.Env, line)
        .flatMap((port) => portsOf(port, line));
      const ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
      return change({ ExposedPorts }, `EXPOSE ${ports.join(' ')}`);
    }
    case 'volume': {
      const paths = instruction.paths.map(expand);
      const Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return change({ Volumes }, `VOLUME ${JSON.stringify(paths)}`);
    }
    case 'cmd': {
      const Cmd = argvOf(instruction.command, config);
      return { ...change({ Cmd }, `CMD ${JSON.stringify(Cmd)}`), hasOwnCmd: true };
    }
    case 'entrypoint': {
      const Entrypoint = argvOf(instruction.command, config);
      // A command inherited from the base was written for another entrypoint.
      const cmd = state.hasOwnCmd ? {} : { Cmd: null };
      return change({ Entrypoint, ...cmd }, `ENTRYPOINT ${JSON.stringify(Entrypoint)}`);
    }
    case 'shell':
      return change({ Shell: instruction.words }, `SHELL ${JSON.stringify(instruction.words)}`);
    case 'healthcheck': {
      const Healthcheck = { ...instruction.check, ...healthTest(instruction.command, config) };
      return change({ Healthcheck }, `HEALTHCHECK ${JSON.stringify(Healthcheck)}`);
    }
    case 'onbuild':
      return change({ OnBuild: [...config.OnBuild, instruction.trigger] }, `ONBUILD ${instruction.trigger}`);
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
