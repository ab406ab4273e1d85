import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderUnit } from './systemd-unit.ts';

const template = readFileSync(join(import.meta.dirname, '../systemd/berth.service'), 'utf8');

test('the unit names the program and the settings, and leaves no placeholder', () => {
  const unit = renderUnit(template, {
    node: '/opt/berth $1/node',
    repository: '/opt/berth clone',
    environment: {
      BERTH_DATA: '/data',
      DATABASE_URL: 'postgresql://u:p%40"$@h/d',
      'npm_config_//registry.example/:always': 'no variable to systemd',
    },
  });
  assert.match(
    unit,
    /^ExecStart="\/opt\/berth \$\$1\/node" --title=berth-supervisor "\/opt\/berth clone\/infra\/up\/main.ts" up$/m,
  );
  assert.match(
    unit,
    /^Environment="BERTH_DATA=\/data"\nEnvironment="DATABASE_URL=postgresql:\/\/u:p%%40\\"\$@h\/d"$/m,
  );
  assert.match(unit, /^KillMode=process$/m);
  assert.doesNotMatch(unit, /@[A-Z]+@|npm_config/);
});
