// Tests of `--change`: each instruction, quoting, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges } from './config-changes.ts';
import { emptyDefaults } from './import-image.ts';

const changed = (...changes: string[]) => applyChanges(emptyDefaults(), changes);

test('every instruction changes what it names', () => {
  const config = changed(
    'CMD ["/app", "--flag"]',
    'ENTRYPOINT exec /start',
    'ENV A=1 B="two words" C=three\\ words',
    'ENV OLD the rest of it',
    'EXPOSE 80 53/udp',
    'LABEL a=\'single quoted\' b="x=y"',
    'USER app:staff',
    'WORKDIR /srv',
    'VOLUME ["/data", "/more"]',
    'STOPSIGNAL SIGQUIT',
    'ONBUILD RUN make',
    'SHELL ["/bin/bash", "-c"]',
    'HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f http://localhost/',
  );
  assert.deepEqual(config, {
    Cmd: ['/app', '--flag'],
    Entrypoint: ['/bin/sh', '-c', 'exec /start'],
    Env: ['A=1', 'B=two words', 'C=three words', 'OLD=the rest of it'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Labels: { a: 'single quoted', b: 'x=y' },
    User: 'app:staff',
    WorkingDir: '/srv',
    Volumes: { '/data': {}, '/more': {} },
    StopSignal: 'SIGQUIT',
    OnBuild: ['RUN make'],
    Shell: ['/bin/bash', '-c'],
    Healthcheck: { Test: ['CMD-SHELL', 'curl -f http://localhost/'], Interval: 90e9, Retries: 3 },
  });
});

test('later changes come on top of earlier ones', () => {
  assert.deepEqual(changed('ENV A=1', 'ENV A=2 B=3\nenv B=4').Env, ['A=2', 'B=4']);
  assert.deepEqual(changed('HEALTHCHECK NONE').Healthcheck, { Test: ['NONE'] });
});

test('what changes no config, or cannot be read, is refused', () => {
  for (const wrong of [
    'RUN ls',
    'COPY a b',
    'FROM x',
    'nonsense',
    'EXPOSE http',
    'ENV',
    'SHELL bash',
    'HEALTHCHECK --x=1 CMD y',
  ])
    assert.throws(() => changed(wrong), /not a valid change command/, wrong);
});
