// builds:sbom, builds:provenance: what a build's image is made of, and how it came to be.
import { appOptions, type Command, flag, type Input, jsonOption } from '../command.ts';
import { base, buildNumber } from './builds.ts';

interface Sbom {
  metadata?: { properties?: { name: string; value: string }[] };
  components?: { group?: string; name: string; version?: string; scope?: string; purl?: string }[];
}

interface Provenance {
  predicate: {
    buildDefinition: {
      buildType: string;
      externalParameters: { buildpacks: string[]; stack: string | null; noCache: boolean };
      internalParameters: { details: string[] };
      resolvedDependencies: { uri?: string; name?: string; digest?: Record<string, string> }[];
    };
    runDetails: {
      builder: { id: string; version: Record<string, string> };
      metadata: { invocationId: string; startedOn: string; finishedOn: string };
    };
  };
  subject: { digest: Record<string, string> }[];
}

async function document<T>(input: Input, name: string): Promise<T> {
  return (await input.api()).get<T>(`${await base(input)}/${await buildNumber(input)}/${name}`);
}

export const buildsSbom: Command = {
  summary: 'list what the image of a build is made of, without a number the newest',
  usage: '[N] [-a APP] [--json]',
  example: 'berth builds:sbom 7 --json > sbom.json',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const sbom = await document<Sbom>(input, 'sbom');
    if (flag(input, 'json')) {
      input.output.json(sbom);
      return 0;
    }
    input.output.table(
      ['TYPE', 'NAME', 'VERSION', ''],
      (sbom.components ?? []).map(({ group, name, version, scope, purl }) => [
        /^pkg:([^/]+)\//.exec(purl ?? '')?.[1] ?? '',
        group === undefined ? name : `${group}/${name}`,
        version ?? '',
        scope === 'excluded' ? 'not in the image' : (scope ?? ''),
      ]),
    );
    for (const { name, value } of sbom.metadata?.properties ?? [])
      if (name === 'berth:not-in-the-list') input.output.warn(`not in the list: ${value}`);
    return 0;
  },
};

export const buildsProvenance: Command = {
  summary: 'show what the image of a build was built from, and how, without a number the newest',
  usage: '[N] [-a APP] [--json]',
  example: 'berth builds:provenance 7 --json',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 1],
  run: async (input) => {
    const provenance = await document<Provenance>(input, 'provenance');
    if (flag(input, 'json')) {
      input.output.json(provenance);
      return 0;
    }
    const { buildDefinition, runDetails } = provenance.predicate;
    const { builder, metadata } = runDetails;
    const digests = (digest: Record<string, string> = {}) =>
      Object.entries(digest).map(([algorithm, hex]) => `${algorithm}:${hex}`);
    input.output.fields([
      ['Image', digests(provenance.subject[0]?.digest).join(' ')],
      ['Build', metadata.invocationId],
      ['Kind', buildDefinition.buildType],
      ['Builder', `${builder.id} ${Object.values(builder.version).join(' ')}`.trim()],
      ['Started', { time: metadata.startedOn }],
      ['Finished', { time: metadata.finishedOn }],
      ...buildDefinition.internalParameters.details.map((detail) => ['Chosen', detail] as const),
      ...buildDefinition.resolvedDependencies.map(
        ({ uri, name, digest }) => ['From', [uri ?? name ?? '', ...digests(digest)].join(' ')] as const,
      ),
    ]);
    return 0;
  },
};
