// The timed work on images and files: build, commit, copy, push and pull. Used by run.ts.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { image } from './engines.ts';
import { interleaved, type Row, timed } from './scenarios.ts';

const mebibytes = 100;

/** Ten steps: five that run a program, five that change files or words. */
const dockerfile = `FROM ${image}
ENV GREETING=hello
COPY a /srv/a
RUN ["/bin/fill", "/srv/one", "1"]
COPY b /srv/b
RUN ["/bin/fill", "/srv/two", "1"]
WORKDIR /srv
RUN ["/bin/fill", "/srv/three", "1"]
RUN ["/bin/fill", "/srv/four", "1"]
CMD ["/bin/sleep"]
`;

export async function builds(engines: Engine[], work: string, rounds: number): Promise<Row[]> {
  const context = join(work, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), dockerfile);
  writeFileSync(join(context, 'b'), 'b\n');
  let serial = 0;
  const cold = await interleaved(
    '`docker build`, ten steps, --no-cache',
    engines,
    Math.ceil(rounds / 4),
    ({ docker }) => {
      writeFileSync(join(context, 'a'), `${serial++}\n`);
      return docker('build', '-q', '--no-cache', '-t', 'built', context);
    },
  );
  const cached = await interleaved('the same, everything cached', engines, rounds, ({ docker }) =>
    docker('build', '-q', '-t', 'built', context),
  );
  rmSync(context, { recursive: true });
  return [cold, cached];
}

export async function copies(engines: Engine[], work: string): Promise<Row[]> {
  const file = join(work, 'copied');
  const rows: Row[] = [];
  const ids = new Map<string, string>();
  for (const { name, docker } of engines) {
    const id = await docker('create', image, '/bin/fill', '/big', String(mebibytes));
    await docker('start', '-a', id);
    ids.set(name, id);
  }
  const of = ({ name }: Engine) => ids.get(name) ?? '';
  rows.push(
    await interleaved(`\`docker cp\` of ${mebibytes} MiB out`, engines, 3, (engine) =>
      engine.docker('cp', '-q', `${of(engine)}:/big`, file),
    ),
    await interleaved(`\`docker cp\` of ${mebibytes} MiB in`, engines, 3, (engine) =>
      engine.docker('cp', '-q', file, `${of(engine)}:/copy`),
    ),
  );
  rmSync(file);
  const figures = new Map<string, number[]>();
  for (const engine of engines)
    figures.set(engine.name, [await timed(() => engine.docker('commit', of(engine), 'committed'))]);
  rows.push({ what: `\`docker commit\` of ${2 * mebibytes} MiB`, unit: 'ms', figures });
  for (const engine of engines) await engine.docker('rm', '-f', of(engine));
  return rows;
}

/** Push and pull of the image that \`copies\` committed, over loopback or within the engine's own network namespace. */
export async function transfers(
  engines: Engine[],
  registryOf: (engine: Engine) => string | undefined,
): Promise<Row[]> {
  const push = new Map<string, number[]>();
  const pull = new Map<string, number[]>();
  for (const engine of engines) {
    const registry = registryOf(engine);
    if (registry === undefined) continue;
    const reference = `${registry}/bench:big`;
    await engine.docker('tag', 'committed', reference);
    push.set(engine.name, [await timed(() => engine.docker('push', '-q', reference))]);
    await engine.docker('rmi', '-f', reference, 'committed');
    await engine.docker('image', 'prune', '-f');
    pull.set(engine.name, [await timed(() => engine.docker('pull', '-q', reference))]);
  }
  return [
    {
      what: `\`docker push\` of ${2 * mebibytes} MiB to docker-registry on loopback`,
      unit: 'ms',
      figures: push,
    },
    { what: 'the same, pulled', unit: 'ms', figures: pull },
  ];
}
