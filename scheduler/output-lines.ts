// What the pusher reads about a deployment, in the field's look: steps, seven spaces of detail, warnings. Pure text.
import type { SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Slot } from './generation.ts';

const detailIndent = '       ';
/** As many lines of an instance's last output as help; the whole is in its log. */
const maxTailLines = 20;

export function startingLine(slots: readonly Slot[]): string[] {
  if (slots.length === 0) return [];
  const names = slots.map((slot) => `${slot.processType}.${slot.slot}`);
  const shown = names.length > 8 ? [...names.slice(0, 7), `and ${names.length - 7} more`] : names;
  return [`-----> Starting ${shown.join(', ')}`];
}

export function releasePhaseLine(command: string): string {
  return `-----> Running the release phase: ${command.split('\n', 1)[0] ?? ''}`;
}

/** The end of an instance's output, for the pusher to see why it failed. */
export function tailLines(tail: string | null): string[] {
  if (tail === null || tail.trim() === '') return [];
  const lines = tail.replace(/\n+$/, '').split('\n').slice(-maxTailLines);
  return lines.map((line) => `${detailIndent}${line.replace(/\r$/, '')}`);
}

export function instanceName(instance: SchedulerInstance): string {
  return `${instance.processType}.${instance.slot}`;
}
