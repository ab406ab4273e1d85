// What is wrong with a Dockerfile, with the line it is on, in the words Docker's users know. Thrown by every file of this folder.
import { AppError } from '@berth/kit/errors.ts';

export function parseError(line: number, message: string, hint?: string): AppError {
  return new AppError(
    'bad_request',
    `dockerfile parse error on line ${line}: ${oneLine(message)}`,
    hint === undefined ? {} : { hint },
  );
}

/** Messages quote the file, and a file may hold anything. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
