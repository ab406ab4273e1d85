// The argv of a process type's command line. Called for every pod; pure.
// A shell that stays in front of its only program would take the SIGTERM and die of it, and the program would lose its grace time.

/** Words that a shell runs itself, and assignments: `exec` cannot be put in front of them. */
const shellsOwn =
  /^(?:[A-Za-z_][A-Za-z0-9_]*=|(?:cd|if|for|while|until|case|exec|export|set|unset|trap|source|\.|:|eval|ulimit|umask|test|\[|!|\{)(?:\s|$))/;
/** More than one command: lists, pipes, background, substitution and sub-shells. Quotes and `$NAME` are a single command's own affair. */
const compound = /[;&|\n()`]|\$\(/;

/** One simple command replaces the shell that reads it; anything else runs below it, as written. */
export function shellCommand(line: string): string[] {
  const command = line.trim();
  const isSimple = command !== '' && !compound.test(command) && !shellsOwn.test(command);
  return ['/bin/sh', '-c', isSimple ? `exec ${command}` : command];
}
