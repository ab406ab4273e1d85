import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildpackOutput, reportedVersions } from './buildpack-output.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

function listen() {
  const lines: string[] = [];
  let now = 0;
  const log = {
    step: (line: string) => lines.push(`> ${line}`),
    detail: (line: string) => lines.push(`. ${line}`),
    warning: (line: string) => lines.push(`! ${line}`),
  };
  const output = new BuildpackOutput('M1', log, () => (now += 1500));
  const say = (...said: string[]) => {
    for (const line of said) output.push(line);
  };
  return { lines, output, say };
}

test('two buildpacks: their lines in our form, names, times, and the release of the last', () => {
  const { lines, output, say } = listen();
  say(
    'M1 begin 0',
    `M1 name ${base64('Node.js')}`,
    'M1 compiling',
    '-----> Installing',
    '       npm ci',
    ' !     old',
    'loose',
  );
  say('no end of lineM1 release', `M1 release ${base64('first')}`, 'M1 end 0');
  say(
    'M1 begin 1',
    'M1 compiling',
    'M1 release',
    `M1 release ${base64('sec')}`,
    `M1 release ${base64('ond')}`,
  );
  say('M1 end 1', 'M1 procfile', `M1 procfile ${base64('web: x\n')}`, 'M1 built');
  assert.deepEqual(lines, [
    '> Node.js app detected',
    '> Installing',
    '. npm ci',
    '! old',
    '. loose',
    '. no end of line',
  ]);
  assert.deepEqual(output.outcomes, [
    { name: 'Node.js', seconds: 1.5 },
    { name: '', seconds: 1.5 },
  ]);
  assert.equal(output.text('release'), 'second');
  assert.equal(output.text('procfile'), 'web: x\n');
  assert.equal(output.text('report'), undefined);
  assert.equal(output.isBuilt, true);
});

test('how a buildpack fails', () => {
  const { output, say } = listen();
  say('M1 begin 0', 'M1 refused 1');
  assert.deepEqual([output.at, output.failure, output.isBuilt], [0, { kind: 'refused', exitCode: 1 }, false]);
});

test('versions of a report, of everything it says', () => {
  assert.deepEqual(
    reportedVersions('python_version: 3.13.1\nduration: 1.5\n"node_version": "24.1.0",\nversion: a b c\n'),
    ['python_version 3.13.1', 'node_version 24.1.0'],
  );
});
