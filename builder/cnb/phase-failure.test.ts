import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phaseFailure } from './phase-failure.ts';

test('exit codes of phases are told in the words of the person who pushed', () => {
  const said = (phase: Parameters<typeof phaseFailure>[0], code: number) =>
    phaseFailure(phase, code, 'b').message;
  assert.equal(said('analyzer', 11), 'the lifecycle of the builder "b" refuses the platform\'s API');
  assert.match(said('detector', 12), /speaks an API that its lifecycle does not know/);
  assert.equal(said('detector', 20), 'no buildpack of the builder "b" fits the commit');
  assert.match(said('detector', 21), /one failed while it looked/);
  assert.equal(said('builder', 51), 'a buildpack failed');
  assert.equal(said('exporter', 127), 'the builder "b" has no /cnb/lifecycle/exporter that runs here');
  assert.equal(said('restorer', 42), "the lifecycle's restorer failed with exit code 42");
});
