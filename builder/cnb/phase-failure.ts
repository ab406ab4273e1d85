// What the exit code of a lifecycle's phase means to the person who pushed (Platform API, "Exit Codes"). Pure.
import { AppError } from '@berth/kit/errors.ts';

export type Phase = 'analyzer' | 'detector' | 'restorer' | 'builder' | 'exporter';

const aboveSays = 'the reason is above';

export function phaseFailure(phase: Phase, exitCode: number, builder: string): AppError {
  const [message, hint] = meaning(phase, exitCode, builder);
  return new AppError('build_failed', message, { hint });
}

function meaning(phase: Phase, exitCode: number, builder: string): [message: string, hint: string] {
  switch (exitCode) {
    case 11:
      return [
        `the lifecycle of the builder "${builder}" refuses the platform's API`,
        'choose a newer image of the builder',
      ];
    case 12:
      return [
        `a buildpack of the builder "${builder}" speaks an API that its lifecycle does not know`,
        'choose another image of the builder',
      ];
    case 20:
      return [
        `no buildpack of the builder "${builder}" fits the commit`,
        'the lines above say which were asked; add what they look for, or choose another builder',
      ];
    case 21:
      return [
        `no buildpack of the builder "${builder}" fits the commit, and one failed while it looked`,
        aboveSays,
      ];
    case 51:
      return ['a buildpack failed', aboveSays];
    case 126:
    case 127:
      return [
        `the builder "${builder}" has no /cnb/lifecycle/${phase} that runs here`,
        'choose another image of the builder',
      ];
    default:
      return [`the lifecycle's ${phase} failed with exit code ${exitCode}`, aboveSays];
  }
}
