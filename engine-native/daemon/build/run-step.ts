// RUN: its command line, environment and mounts, the facts for its key, and the container that carries it out.
import { writeFileSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import type { StepPlace } from './build-run.ts';
import { sourceEnv } from './build-sources.ts';
import { argvOf, shellOf } from './config-steps.ts';
import { planCopy } from './copy-plan.ts';
import { findSources } from './copy-sources.ts';
import type { PreparedStep } from './copy-step.ts';
import type { RunInstruction } from './language/instruction.ts';
import { parseRunMount, type RunMount } from './mount-options.ts';
import { runContainer } from './run-container.ts';
import { type ReadyMounts, readyMounts } from './run-mounts.ts';
import type { VariableScope } from './variable-scope.ts';

interface CommandLine {
  argv: string[];
  /** A here-document with an interpreter line of its own, which becomes a file. */
  script?: { target: string; content: string };
}

export async function prepareRun(
  place: StepPlace,
  instruction: RunInstruction,
  scope: VariableScope,
): Promise<PreparedStep> {
  const { state, run } = place;
  const { config } = state;
  const command = commandLine(instruction, place);
  const mounts = instruction.mounts.map((text) =>
    parseRunMount(scope.expand(text, config.Env, instruction.line), config.WorkingDir, instruction.line),
  );
  const args = scope.declaredEnv(config.Env);
  const network = networkOf(instruction, run.options.networkMode);
  const shown = command.argv.join(' ');
  return {
    facts: {
      kind: 'run',
      argv: command.argv,
      script: command.script?.content ?? '',
      args,
      network,
      mounts: await Promise.all(mounts.map((mount) => mountFacts(place, mount))),
    },
    isIndependent: false,
    createdBy: args.length > 0 ? `|${args.length} ${args.join(' ')} ${shown}` : shown,
    make: async () => {
      const ready = await readyMounts(place, mounts);
      try {
        if (command.script) addScript(place, command.script, ready);
        ready.Binds.push(...run.sources.binds);
        const env = [...sourceEnv(run.sources, config.Env, args), ...args, ...scope.proxyEnv()];
        return await runContainer(place, { argv: command.argv, env, network, mounts: ready, shown });
      } finally {
        ready.release();
      }
    },
  };
}

function commandLine({ command, heredocs }: RunInstruction, { state }: StepPlace): CommandLine {
  const [first] = heredocs;
  if ('exec' in command || !first) return { argv: argvOf(command, state.config) };
  const isWhole = heredocs.length === 1 && /^\d*<<-?\s*\S+$/.test(command.shell.trim());
  if (isWhole && first.content.startsWith('#!')) {
    const target = `/dev/pipes/${first.name.replace(/[^\w.-]/g, '_')}`;
    return { argv: [target], script: { target, content: first.content } };
  }
  if (isWhole) return { argv: [...shellOf(state.config), first.content] };
  // The shell reads the here-documents of a longer command line itself.
  const bodies = heredocs.map(({ content, name }) => `${content}${name}`).join('\n');
  return { argv: [...shellOf(state.config), `${command.shell}\n${bodies}\n`] };
}

function addScript(
  { run }: StepPlace,
  script: { target: string; content: string },
  ready: ReadyMounts,
): void {
  const path = run.scratchPath('script');
  writeFileSync(path, script.content, { mode: 0o755 });
  ready.Mounts.push({ Type: 'bind', Source: path, Target: script.target, ReadOnly: true });
}

/** A Dockerfile alone must not get the host's network: whoever builds has to allow it. */
function networkOf({ network, line }: RunInstruction, asked: string): string {
  const usual = asked === '' || asked === 'default' ? 'bridge' : asked;
  if (network === 'host' && asked !== 'host')
    throw new AppError('forbidden', `dockerfile line ${line}: RUN --network=host is not allowed`, {
      hint: 'build with --network=host',
    });
  return network === 'default' ? usual : network;
}

/** What of a mount decides a result: places and contents; of a secret its name only, of a cache its id. */
async function mountFacts(place: StepPlace, mount: RunMount): Promise<object> {
  const { type, target, id, sizeBytes, source, isReadonly, mode, uid, gid } = mount;
  const shape = { type, target, isReadonly };
  if (type === 'tmpfs') return { ...shape, sizeBytes };
  if (type === 'secret') return { ...shape, id, mode: mode ?? 0o400, uid, gid };
  const { run } = place;
  if (mount.from !== '') {
    const { key } = await run.source(mount.from, place.stageIndex);
    return { ...shape, id: type === 'cache' ? id : '', source, from: key };
  }
  if (type === 'cache') return { ...shape, id };
  const tree = { folders: [run.context.dir], label: '' };
  const sources = await findSources(run.parts.helper, tree, (source || '/').replace(/[*?[\\]/g, '\\$&'));
  const rules = {
    owner: undefined,
    mode: undefined,
    parents: false,
    exclude: [],
    destination: '/',
    keyword: 'RUN',
  };
  return { ...shape, digest: planCopy(sources, rules).digest };
}
