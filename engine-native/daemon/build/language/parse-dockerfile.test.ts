// The Dockerfile language: whole files in, whole instructions or whole error lines out; and a fuzz that nothing else ever comes out.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a Dockerfile writes its variables so
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import fc from 'fast-check';
import { parseDockerfile, parseTrigger } from './parse-dockerfile.ts';
import { expandWord, expandWords } from './words.ts';

const only = (text: string) => parseDockerfile(`FROM x\n${text}`).stages[0]?.instructions[0];
const errorOf = (text: string) => {
  try {
    parseDockerfile(text);
  } catch (error) {
    return error instanceof AppError ? error.message : `not ours: ${String(error)}`;
  }
  return 'no error';
};

describe('a Dockerfile as instructions', () => {
  test('stages, names, platforms and global arguments', () => {
    const file = parseDockerfile(
      'ARG V=1\nFROM --platform=linux/amd64 a:$V AS Build\nRUN x\nFROM build\nCOPY --from=build /a /b\n',
    );
    assert.deepEqual(file.globalArgs[0]?.pairs, [{ name: 'V', value: '1' }]);
    assert.deepEqual(
      file.stages.map(({ from }) => [from.image, from.alias, from.platform]),
      [
        ['a:$V', 'build', 'linux/amd64'],
        ['build', '', ''],
      ],
    );
  });

  test('a continued line loses its comments and empty lines, not its spaces', () => {
    const run = only('RUN a \\\n  # a comment\n\n  && b\\\\\nUSER u');
    assert.equal(run?.text, 'RUN a   && b\\\\');
    assert.equal(only('RUN a \\   \n b')?.text, 'RUN a  b');
  });

  test('the escape directive changes the token, and only at the top', () => {
    const file = parseDockerfile('# escape=`\nFROM x\nRUN a `\n b\\\nRUN c\n');
    assert.deepEqual(
      file.stages[0]?.instructions.map(({ text }) => text),
      ['RUN a  b\\', 'RUN c'],
    );
    assert.equal(parseDockerfile('#\n# escape=`\nFROM x').escapeToken, '\\');
    assert.match(errorOf('# escape=x\nFROM x'), /line 1: invalid ESCAPE/);
  });

  test('here-documents: several, quoted, with tabs taken off', () => {
    const run = only('RUN <<A cat <<-"B"\none $x\nA\n\t\ttwo\n\tB\nUSER u');
    assert.deepEqual(run?.kind === 'run' && run.heredocs, [
      { name: 'A', content: 'one $x\n', isExpanded: true, isChomped: false, descriptor: '' },
      { name: 'B', content: 'two\n', isExpanded: false, isChomped: true, descriptor: '' },
    ]);
    assert.equal(
      errorOf('FROM x\nRUN <<A\nB\n'),
      'dockerfile parse error on line 2: unterminated heredoc: no line "A" follows',
    );
    assert.equal(only('RUN echo "<<A"')?.kind, 'run');
    assert.equal(only('RUN cat <<<text')?.kind, 'run');
  });

  test('commands in JSON and shell form, and what is nearly JSON is for the shell', () => {
    const commands = ['CMD ["a", "b c"]', 'CMD a b', "CMD ['a']", 'CMD []'].map((text) => {
      const one = only(text);
      return one?.kind === 'cmd' && one.command;
    });
    assert.deepEqual(commands, [{ exec: ['a', 'b c'] }, { shell: 'a b' }, { shell: "['a']" }, { exec: [] }]);
  });

  test('names and values of ENV, LABEL and ARG', () => {
    const env = only('ENV a=1 b="x y" c=d\\ e');
    assert.deepEqual(env?.kind === 'env' && env.pairs, [
      { name: 'a', value: '1' },
      { name: 'b', value: '"x y"' },
      { name: 'c', value: 'd\\ e' },
    ]);
    const old = only('ENV name  all of the rest');
    assert.deepEqual(old?.kind === 'env' && old.pairs, [{ name: 'name', value: 'all of the rest' }]);
    const arg = only('ARG a b=2');
    assert.deepEqual(arg?.kind === 'arg' && arg.pairs, [
      { name: 'a', value: undefined },
      { name: 'b', value: '2' },
    ]);
  });

  test('every flag of COPY, ADD, RUN and HEALTHCHECK', () => {
    const copy = only(
      'COPY --from=x --chown=a:b --chmod=0755 --link --parents --exclude=a --exclude=b s1 s2 /d/',
    );
    assert.deepEqual(
      copy?.kind === 'copy' && [
        copy.from,
        copy.chown,
        copy.chmod,
        copy.link,
        copy.parents,
        copy.exclude,
        copy.sources,
        copy.destination,
      ],
      ['x', 'a:b', '0755', true, true, ['a', 'b'], ['s1', 's2'], '/d/'],
    );
    const run = only('RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --network=none make');
    assert.deepEqual(run?.kind === 'run' && [run.mounts, run.network, run.command], [
      ['type=cache,target=/c', 'type=tmpfs,target=/t'],
      'none',
      { shell: 'make' },
    ]);
    const check = only(
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1s --start-interval=2s --retries=4 CMD curl x',
    );
    assert.deepEqual(check?.kind === 'healthcheck' && check.check, {
      Test: [],
      Interval: 90e9,
      Timeout: 5e8,
      StartPeriod: 1e9,
      StartInterval: 2e9,
      Retries: 4,
    });
  });

  test('a trigger keeps its here-documents', () => {
    const onbuild = only('ONBUILD RUN <<A\nhi\nA\nUSER u');
    assert.equal(onbuild?.kind === 'onbuild' && onbuild.trigger, 'RUN <<A\nhi\nA');
    const [run] = parseTrigger('RUN <<A\nhi\nA', 7);
    assert.deepEqual(run?.kind === 'run' && [run.line, run.heredocs[0]?.content], [7, 'hi\n']);
  });
});

describe('what is wrong with a Dockerfile', () => {
  const cases: [string, RegExp][] = [
    ['', /line 1: file with no instructions/],
    ['RUN x', /line 1: no build stage in current context/],
    ['FROM x\n\nRNU x', /line 3: unknown instruction: RNU \(did you mean RUN\?\)/],
    ['FROM x\nFROBNICATE', /unknown instruction: FROBNICATE$/],
    ['FROM a b', /FROM requires either one or three arguments/],
    ['FROM a AS 1x', /invalid name for build stage: "1x"/],
    ['FROM a AS b\nFROM a AS B', /line 2: duplicate name "b"/],
    ['FROM x\nCOPY a', /COPY requires at least two arguments, but only one was provided/],
    ['FROM x\nCOPY --form=a b c', /unknown flag: --form/],
    ['FROM x\nCOPY --link=maybe b c', /expecting boolean value for flag --link/],
    ['FROM x\nRUN --security=insecure x', /--security=insecure is not allowed/],
    ['FROM x\nRUN --network=lan x', /mode "lan" is not known/],
    ['FROM x\nENV a', /ENV must have two arguments/],
    ['FROM x\nENV a=b c', /can't find = in "c"/],
    ['FROM x\nSHELL bash', /SHELL requires the arguments to be in JSON form/],
    ['FROM x\nHEALTHCHECK PING', /Unknown type "PING" in HEALTHCHECK/],
    ['FROM x\nHEALTHCHECK --interval=soon CMD x', /invalid duration "soon"/],
    ['FROM x\nONBUILD ONBUILD RUN x', /isn't allowed/],
    ['FROM x\nONBUILD FROM x', /FROM isn't allowed as an ONBUILD trigger/],
    ['FROM x\nWORKDIR', /WORKDIR requires exactly one argument/],
  ];
  for (const [text, message] of cases)
    test(`"${text.replaceAll('\n', '; ')}"`, () => assert.match(errorOf(text), message));
});

describe('variables', () => {
  const values: Record<string, string> = { x: 'value', empty: '', path: '/a/b/c.tar.gz', glob: '*' };
  const expand = (text: string) => expandWord(text, (name) => values[name], '\\');
  const table: [string, string][] = [
    ['$x-${x}', 'value-value'],
    ['$unset', ''],
    ['${unset:-a$x}', 'avalue'],
    ['${empty:-a}', 'a'],
    ['${empty-a}', ''],
    ['${x:+set}${unset:+set}', 'set'],
    ['${path#*/}', 'a/b/c.tar.gz'],
    ['${path##*/}', 'c.tar.gz'],
    ['${path%.*}', '/a/b/c.tar'],
    ['${path%%.*}', '/a/b/c'],
    ['${path/b/x}', '/a/x/c.tar.gz'],
    ['${path//\\//_}', '_a_b_c.tar.gz'],
    ["'$x'", '$x'],
    ['"$x y"', 'value y'],
    ['\\$x', '$x'],
    ['a\\ b', 'a b'],
    ['$', '$'],
  ];
  for (const [text, result] of table) test(text, () => assert.equal(expand(text), result));

  test('a needed value that is missing, and a brace that is', () => {
    assert.throws(() => expand('${unset:?say it}'), /unset: say it/);
    assert.throws(() => expand('${x'), /missing "}"/);
    assert.throws(() => expand('"x'), /double-quote/);
    assert.throws(() => expand('${x^^}'), /unsupported modifier/);
  });

  test('words come out of unquoted variables, not out of quoted ones', () => {
    const lookup = () => '80 443';
    assert.deepEqual(expandWords('$p "$p" 9', lookup, '\\'), ['80', '443', '80 443', '9']);
  });
});

describe('any text', () => {
  const pieces = fc.constantFrom(
    'FROM x',
    'RUN ',
    'COPY ',
    'ADD ',
    'ENV ',
    'ONBUILD ',
    'HEALTHCHECK ',
    '--mount=',
    '--from=',
    '<<A',
    '<<-"B"',
    'A',
    '\\',
    '`',
    '\n',
    '# escape=`',
    '#',
    '[',
    ']',
    '"',
    "'",
    '$',
    '${x',
    '}',
    ':-',
    '%%*',
    '/',
    ' ',
    '\t',
    '=',
    'a',
    '\u0000',
    '\ufeff',
    'é',
    '--',
    '\r\n',
  );
  const texts = fc.oneof(
    fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
    fc.string({ maxLength: 300 }),
  );
  const isOurs = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof AppError, String(error));
      assert.doesNotMatch(error.message, /\n/);
    }
  };

  test('is parsed or refused with our own error, in little time', () => {
    const started = performance.now();
    fc.assert(
      fc.property(texts, (text) => isOurs(() => parseDockerfile(`FROM x\n${text}`))),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(texts, (text) => isOurs(() => parseTrigger(text, 1))),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(texts, (text) => isOurs(() => expandWord(text, () => 'a*b', '\\'))),
      { numRuns: 2000 },
    );
    assert.ok(performance.now() - started < 20_000);
  });

  test('made to be slow is refused in time', () => {
    const started = performance.now();
    isOurs(() => expandWord(`\${x//${'a?'.repeat(200)}*b/}`, () => 'a'.repeat(200_000), '\\'));
    isOurs(() => expandWord('${x:-'.repeat(5000), () => undefined, '\\'));
    isOurs(() => parseDockerfile(`FROM x\nRUN ${'a \\\n'.repeat(100_000)}`));
    isOurs(() => parseDockerfile(`FROM x\nRUN ${' '.repeat(500_000)}x`));
    assert.ok(performance.now() - started < 5_000);
  });
});
