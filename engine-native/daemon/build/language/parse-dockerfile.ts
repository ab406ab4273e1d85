// From a Dockerfile's text to stages of instructions, or an error that names the line. Pure: reads no file, expands no variable.
// Called by build-image.ts, and for ONBUILD triggers by run-stage.ts.
import type { ArgInstruction, FromInstruction, Instruction } from './instruction.ts';
import { parseError } from './parse-error.ts';
import { parseInstruction } from './parse-instruction.ts';
import { type EscapeToken, readSourceLines } from './source-lines.ts';

export interface Stage {
  index: number;
  from: FromInstruction;
  /** Without FROM. */
  instructions: Instruction[];
}

export interface Dockerfile {
  escapeToken: EscapeToken;
  /** ARGs before the first FROM. */
  globalArgs: ArgInstruction[];
  stages: Stage[];
}

export function parseDockerfile(text: string): Dockerfile {
  const source = readSourceLines(text);
  const globalArgs: ArgInstruction[] = [];
  const stages: Stage[] = [];
  for (const line of source.lines) {
    const instruction = parseInstruction(line, source.escapeToken);
    if (instruction.kind === 'from') addStage(stages, instruction);
    else if (stages.length > 0) stages.at(-1)?.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
    else throw parseError(line.line, 'no build stage in current context', 'begin with FROM');
  }
  if (stages.length === 0)
    throw parseError(1, 'file with no instructions', 'a Dockerfile needs at least FROM');
  return { escapeToken: source.escapeToken, globalArgs, stages };
}

function addStage(stages: Stage[], from: FromInstruction): void {
  const { alias, line } = from;
  if (alias !== '' && stages.some((stage) => stage.from.alias === alias))
    throw parseError(line, `duplicate name "${alias}" for a stage`);
  stages.push({ index: stages.length, from, instructions: [] });
}

/** One ONBUILD trigger, as it stands in an image's config. `line` is that of the FROM it came with. */
export function parseTrigger(text: string, line: number): Instruction[] {
  const source = readSourceLines(text);
  return source.lines.map((one) => parseInstruction({ ...one, line }, source.escapeToken));
}
