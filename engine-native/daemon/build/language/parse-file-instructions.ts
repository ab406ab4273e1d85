// RUN, COPY and ADD: the instructions with here-documents. Pure. Called by parse-instruction.ts.
import type { CopyInstruction, Instruction } from './instruction.ts';
import { commandOf, jsonWords, type Parts, placeOf } from './instruction-parts.ts';
import { parseError } from './parse-error.ts';

const networks = ['default', 'none', 'host'] as const;

export function parseRun(parts: Parts): Instruction {
  const { flags, line, rest, source } = parts;
  if (rest === '') throw parseError(line, 'RUN requires at least one argument');
  const given = flags.text('network') || 'default';
  const network = networks.find((name) => name === given);
  if (network === undefined)
    throw parseError(line, `security or network mode "${given}" is not known`, 'use default, none or host');
  if (flags.text('security') !== '' && flags.text('security') !== 'sandbox')
    throw parseError(line, `RUN --security=${flags.text('security')} is not allowed by this engine`);
  if (flags.all('device').length > 0) throw parseError(line, 'RUN --device is not supported by this engine');
  return {
    ...placeOf(parts),
    kind: 'run',
    command: commandOf(rest),
    heredocs: source.heredocs,
    mounts: flags.all('mount'),
    network,
  };
}

export function parseCopy(parts: Parts, kind: 'copy' | 'add'): CopyInstruction {
  const { flags, line, rest, keyword, source } = parts;
  const words = jsonWords(rest) ?? rest.split(/\s+/).filter((word) => word !== '');
  if (words.length < 2)
    throw parseError(
      line,
      `${keyword} requires at least two arguments, but only ${words.length === 1 ? 'one was' : 'none were'} provided`,
      'the last one is the destination',
    );
  const chmod = flags.text('chmod');
  return {
    ...placeOf(parts),
    kind,
    sources: words.slice(0, -1),
    destination: words.at(-1) ?? '',
    heredocs: source.heredocs,
    from: flags.text('from'),
    chown: flags.text('chown'),
    chmod,
    link: flags.flag('link') ?? false,
    parents: flags.flag('parents') ?? false,
    exclude: flags.all('exclude'),
    checksum: flags.text('checksum'),
    unpack: flags.flag('unpack'),
    keepGitDir: flags.flag('keep-git-dir') ?? false,
  };
}
