import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainGo } from './explain.ts';

test('each known failure becomes one line', () => {
  const cases: [string, string][] = [
    ['# example.com/a\n./main.go:4:2: undefined: missing\n', 'main.go:4:2: undefined: missing'],
    [
      '# example.com/a/cmd/web\ncmd/web/main.go:9:1: syntax error: non-declaration statement\n',
      'cmd/web/main.go:9:1: syntax error: non-declaration statement',
    ],
    [
      'main.go:3:8: missing go.sum entry for module providing package example.org/x; to add:\n\tgo mod download example.org/x',
      'go.sum has no entry for "example.org/x"',
    ],
    [
      'main.go:3:8: no required module provides package example.org/x; to add it:\n\tgo get example.org/x',
      'go.mod has no module for the package "example.org/x"',
    ],
    [
      'main.go:3:8: package net/htpt is not in std (/opt/berth/go/src/net/htpt)',
      'main.go:3:8: there is no package "net/htpt" in the standard library',
    ],
    [
      'go: example.org/x@v1.0.0: reading https://proxy.example.org/x/@v/v1.0.0.info: 404 Not Found',
      'the module "example.org/x@v1.0.0" does not exist',
    ],
    [
      'go: example.org/x@v0.0.0-2020: invalid version: unknown revision',
      'the module "example.org/x@v0.0.0-2020" does not exist',
    ],
    [
      'verifying example.org/x@v1.0.0: checksum mismatch\n\tdownloaded: h1:a=\n\tgo.sum: h1:b=\n\nSECURITY ERROR',
      'the module "example.org/x@v1.0.0" is not the one that go.sum names (checksum mismatch)',
    ],
    ['go: updates to go.mod needed; to update it:\n\tgo mod tidy', 'go.mod is out of step with its modules'],
    ['go: inconsistent vendoring in /app:\n', 'vendor/ is out of step with go.mod'],
    [
      'go: example.org/x@v2.0.0 requires go >= 1.27 (running go 1.26.1; GOTOOLCHAIN=local)',
      '"example.org/x@v2.0.0" needs Go 1.27, this build has 1.26.1',
    ],
    [
      'go: example.org/x@v1.0.0: Get "https://p.example.org/x": dial tcp: lookup p.example.org on 127.0.0.53:53: no such host',
      'the module proxy cannot be reached (no such host)',
    ],
    [
      './c.go:3:10: fatal error: vips/vips.h: No such file or directory',
      'a package in C needs the header "vips/vips.h", which the stack does not have',
    ],
    ['package example.org/x: build constraints exclude all Go files in /x', 'a package needs a C compiler'],
    [
      'go: errors parsing go.mod:\n/app/go.mod:5: unknown directive: requires',
      'go.mod line 5: unknown directive: requires',
    ],
  ];
  for (const [output, message] of cases) assert.equal(explainGo(output)?.message, message);
  assert.equal(explainGo('something else'), undefined);
});
