// What an image of classic buildpacks has above the run stack: libraries and tools that Heroku's stack has and buildpacks count on at run time.
// Data for make-layers.ts; one layer for all apps of a host.
import { readFileSync } from 'node:fs';
import { packagesLayer } from '../plan/packages-layer.ts';
import type { BuildPlan } from '../plan/plan.ts';

/** erb (nginx's configuration is a template of it), what Ruby, Python and PHP of Heroku's are linked with, and what start scripts call. */
const packages = [
  'bzip2',
  'jq',
  'libbz2-1.0',
  'libcurl4t64',
  'libffi8',
  'libgmp10',
  'libjpeg62-turbo',
  'libmariadb3',
  'libncursesw6',
  'libpng16-16t64',
  'libpq5',
  'libreadline8t64',
  'libsqlite3-0',
  'libxslt1.1',
  'libyaml-0-2',
  'procps',
  'ruby',
  'unzip',
  'zip',
  'zstd',
];

export const startPath = '/opt/berth/classic/start';

const startScript = readFileSync(new URL('scripts/start', import.meta.url), 'utf8');

/** The layers below the slices, and the config of the image: defaults of a buildpack are its environment, so that config vars win. */
export function basePlan(language: string, configVars: Record<string, string>): BuildPlan {
  return {
    language,
    details: [],
    warnings: [],
    layers: [
      packagesLayer({ id: 'runtime-libraries', title: "what buildpacks find on Heroku's stack", packages }),
      {
        kind: 'files',
        id: 'launcher',
        inImage: true,
        files: [{ path: startPath.slice(1), mode: 0o755, content: startScript }],
      },
    ],
    defaultProcessTypes: {},
    env: configVars,
    path: [],
    varsMatter: true,
  };
}
