// docker build with the classic API. The language itself is in build-language.test.ts: here is what the CLI shows.
import type { Step } from '../step.ts';

const dockerfile = [
  'ARG base=guest',
  'FROM $base AS first',
  'ARG word=default',
  'ENV WORD=$word',
  'RUN ["/guest","write","/made"]',
  'FROM guest',
  'LABEL kind=test',
  'WORKDIR /work',
  'COPY --from=first /made .',
  'COPY file file',
  'EXPOSE 8080/tcp',
  'USER app',
  'CMD ["/guest","list","/work"]',
  '',
].join('\n');

const context = {
  'context/Dockerfile': dockerfile,
  'context/file': 'content\n',
  'context/ignored': 'x\n',
  'context/.dockerignore': 'ignored\n',
};

export const build: Step[] = [
  {
    command: 'build -t built $dir/context',
    files: context,
    out: /^\s*Step 1\/13 : ARG base=guest\n(.|\n)*Successfully built <short id>\nSuccessfully tagged built:latest\n$/,
    tidy: (text) => text.replace(/^Sending build context.*$/gm, ''),
  },
  {
    command: 'build -t built $dir/context',
    when: 'again',
    out: /Using cache/,
    tidy: (text) => text.replace(/^Sending build context.*$/gm, ''),
  },
  {
    command: 'run --rm built',
    out: /^file\nmade\n$/,
    tidy: (text) => `${text.trim().split('\n').sort().join('\n')}\n`,
  },
  {
    command:
      "inspect -f '{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Cmd}} {{json .Config.ExposedPorts}} {{.Config.Labels}}' built",
    out: 'app /work ["/guest","list","/work"] {"8080/tcp":{}} map[kind:test]\n',
  },
  { command: "history --format '{{.CreatedBy}}' built" },
  { command: 'build -q --target first --build-arg word=given -t first $dir/context', out: 'sha256:<id>\n' },
  { command: 'run --rm first /guest env WORD', out: 'WORD=given\n' },
  { command: 'build -q --no-cache --label a=b $dir/context', out: 'sha256:<id>\n' },
  {
    command: 'build -q -f $dir/other $dir/context',
    files: { other: 'FROM guest\nRUN ["/guest","exit","5"]\n' },
    code: 5,
  },
  {
    command: 'build -f $dir/other $dir/context',
    code: 5,
    err: /The command '\/guest exit 5' returned a non-zero code: 5/,
    tidy: (text) => text.replace(/^Sending build context.*$/gm, ''),
  },
  {
    command: 'build -',
    stdin: 'FROM guest\nENV A=b\n',
    out: /Successfully built/,
    tidy: (text) => text.replace(/^Sending build context.*$/gm, ''),
  },
  {
    command: 'build -',
    when: 'a wrong word',
    stdin: 'FROM guest\nRUNN x\n',
    code: 1,
    err: /unknown instruction: RUNN/i,
  },
  { command: 'build -', when: 'nothing', stdin: '', code: 1 },
  {
    command: 'build -',
    when: 'no FROM',
    stdin: 'RUN x\n',
    code: 1,
    err: /no build stage in current context/,
  },
  {
    command: 'build -',
    when: 'a base that is not there',
    stdin: 'FROM localhost:1/nosuch\n',
    code: 1,
    err: /connection refused/,
  },
  {
    command: 'build -',
    when: 'a file that is not there',
    stdin: 'FROM guest\nCOPY nosuch /\n',
    code: 1,
    err: /nosuch/,
  },
  { command: 'build $dir/nosuch', code: 1, err: /not found/ },
  { command: 'build -f $dir/context/none $dir/context', code: 1, err: /no such file or directory/ },
  {
    command: 'build --target nosuch $dir/context',
    code: 1,
    err: /failed to reach build target nosuch in Dockerfile/,
  },
  { command: 'build -t Wrong:Name $dir/context', code: 125, err: /invalid (reference|argument|tag)/ },
  { command: 'builder prune -af', when: 'after builds', code: 0, tidy: () => '' },
  {
    command: 'rmi -f built first',
    out: /Untagged: built:latest\n/,
    tidy: (text) =>
      `${text
        .split('\n')
        .filter((line) => line.startsWith('Untagged'))
        .join('\n')}\n`,
  },
  { command: 'image prune -f', when: 'after builds', tidy: () => '' },
];
