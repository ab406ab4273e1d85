// Why a container ended, in one line for the user. Pure.
import type { ContainerState } from '@berth/clients/engine-types.ts';
import type { StartFailure } from './explain-silence.ts';

export interface ExitReason {
  message: string;
  fatal: StartFailure['fatal'] | null;
}

const signalNames: Record<number, string> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
};

type ExitFacts = Pick<ContainerState, 'ExitCode' | 'OOMKilled' | 'Error'>;

/** A shell answers 127 and 126 for a command it cannot run: before the first readiness that can never work. */
export function explainExit(state: ExitFacts, memoryMb: number, wasReady: boolean): ExitReason {
  const { ExitCode: exitCode, OOMKilled: isOutOfMemory, Error: engineError } = state;
  if (isOutOfMemory) return { message: `was killed: out of memory (${memoryMb} MB)`, fatal: null };
  if (engineError) return { message: engineError, fatal: null };
  if (exitCode === 127 && !wasReady)
    return { message: 'exited with code 127: its command was not found', fatal: 'command_not_found' };
  if (exitCode === 126 && !wasReady)
    return { message: 'exited with code 126: its command cannot be executed', fatal: 'command_not_found' };
  if (exitCode > 128 && exitCode < 128 + 65) {
    const signal = signalNames[exitCode - 128] ?? `signal ${exitCode - 128}`;
    return { message: `was killed by ${signal}`, fatal: null };
  }
  return { message: `exited with code ${exitCode}`, fatal: null };
}

/** Stopped or killed while no agent looked (`berth down`, an operator, the machine): not the app's doing. */
export function wasEndedFromOutside({ ExitCode: exitCode, OOMKilled: isOutOfMemory }: ExitFacts): boolean {
  return exitCode === 128 + 15 || (exitCode === 128 + 9 && !isOutOfMemory);
}
