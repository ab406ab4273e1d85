import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainInstall } from './explain.ts';

const explain = explainInstall({
  kind: 'npm',
  label: 'npm',
  lockfile: 'package-lock.json',
  lockText: '',
  provider: undefined,
  warnings: [],
});

test('each known failure becomes one line', () => {
  const cases: [string, string][] = [
    [
      'npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.\nnpm error Missing: left-pad@1.3.0 from lock file',
      'package-lock.json is out of step with package.json: "left-pad@1.3.0" is missing',
    ],
    [
      "npm error code E404\nnpm error 404 Not Found\nnpm error 404  'nope@^1.0.0' is not in this registry.",
      'the package "nope@^1.0.0" does not exist in the registry',
    ],
    [
      'npm error code ETARGET\nnpm error notarget No matching version found for ms@99.0.0.\n',
      'the registry has no version for "ms@99.0.0"',
    ],
    [
      'npm error code EAI_AGAIN\nnpm error request failed',
      'the package registry cannot be reached (EAI_AGAIN)',
    ],
    [
      'npm error code SELF_SIGNED_CERT_IN_CHAIN',
      "the package registry's certificate is not trusted (SELF_SIGNED_CERT_IN_CHAIN)",
    ],
    [
      'npm error code EINTEGRITY',
      'a downloaded package is not the one the lockfile names (integrity check failed)',
    ],
    ['gyp ERR! build error \ngyp ERR! stack Error', 'a native package did not compile'],
    [
      'npm error code ERESOLVE\nnpm error ERESOLVE could not resolve',
      'the dependencies contradict each other',
    ],
  ];
  for (const [output, message] of cases) assert.equal(explain(output)?.message, message);
  assert.equal(explain('something else'), undefined);
});
