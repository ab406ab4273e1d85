// completion: prints a script that teaches a shell the names of the commands.
import { AppError } from '@berth/kit/errors.ts';
import type { Command } from '../command.ts';
import { commandTable } from '../command-table.ts';

export const completion: Command = {
  summary: 'print completion for a shell',
  usage: 'bash|zsh',
  example: 'eval "$(berth completion bash)"',
  options: {},
  positionals: [1, 1],
  run: async (input) => {
    const names = [...commandTable.keys()];
    const [shell = ''] = input.args;
    if (shell === 'bash') input.output.raw(bash(names));
    else if (shell === 'zsh') input.output.raw(zsh(names));
    else throw new AppError('bad_request', `"${shell}" is not a shell known here`, { hint: 'bash or zsh' });
    return 0;
  },
};

// bash splits words at ":", so what is left of the last colon is taken off each answer
function bash(names: readonly string[]): string {
  return `_berth() {
  local line=\${COMP_LINE:0:COMP_POINT}
  local word=\${line##* } before=\${line% *}
  [ "$before" = "\${COMP_WORDS[0]}" ] || return
  local prefix=
  case $word in *:*) prefix=\${word%:*}: ;; esac
  COMPREPLY=()
  local name
  for name in ${names.join(' ')}; do
    case $name in "$word"*) COMPREPLY+=("\${name#"$prefix"}") ;; esac
  done
}
complete -F _berth berth
`;
}

function zsh(names: readonly string[]): string {
  return `#compdef berth
_berth() {
  local -a names
  names=(${names
    .map((name) => name.replaceAll(':', '\\\\:'))
    .map((name) => `'${name.replaceAll('\\\\', '\\')}'`)
    .join(' ')})
  if (( CURRENT == 2 )); then _describe command names; else _files; fi
}
compdef _berth berth
`;
}
