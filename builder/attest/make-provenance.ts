// How an image came to be, as an in-toto Statement v1 with SLSA's provenance v1 as its predicate. Pure: facts in, JSON out.
// Must never hold a config var's value, a secret of a build, or an address with a password in it.
import type { BuildResult, StartedBuild } from '@berth/contract/build.ts';

export const provenanceType = 'application/vnd.in-toto+json';

export interface ProvenanceFacts {
  build: Pick<
    StartedBuild,
    'id' | 'number' | 'appId' | 'appName' | 'commit' | 'tree' | 'settings' | 'noCache'
  >;
  result: BuildResult;
  version: string;
  startedAt: Date;
  finishedAt: Date;
  /** What an app's own Dockerfile names, as the engine knows it. */
  baseImages: { name: string; digest: string | undefined }[];
  /** Of a rebase: the image whose layers were taken. */
  rebasedFrom: string | undefined;
}

interface Resource {
  uri?: string;
  name?: string;
  digest?: Record<string, string>;
}

export function makeProvenance(facts: ProvenanceFacts): string {
  const { build, result, version, startedAt, finishedAt } = facts;
  const { detected } = result;
  const source = sourceUri(build);
  return `${JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1',
    // The image's config: every manifest of the image names it, however its layers are compressed.
    subject: [{ name: build.appName, digest: sha256(result.image) }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `urn:berth:build:${facts.rebasedFrom === undefined ? detected.driver : 'rebase'}:v1`,
        externalParameters: {
          source: { uri: source, commit: build.commit },
          buildpacks: build.settings.buildpacks.map(withoutPassword),
          stack: build.settings.stack === null ? null : withoutPassword(build.settings.stack),
          noCache: build.noCache === true,
        },
        internalParameters: {
          detected: {
            ...detected,
            label: withoutPassword(detected.label),
            why: withoutPassword(detected.why),
          },
          details: result.details.map(withoutPassword),
        },
        resolvedDependencies: resolved(facts, source),
      },
      runDetails: {
        builder: { id: 'urn:berth:builder', version: { berth: version } },
        metadata: {
          invocationId: `urn:berth:app:${build.appId}:build:${build.number}`,
          startedOn: startedAt.toISOString(),
          finishedOn: finishedAt.toISOString(),
        },
        byproducts: result.layers.map(({ name, diffId }) => ({
          name: `layer ${name}`,
          digest: sha256(diffId),
        })),
      },
    },
  })}\n`;
}

function sourceUri({ appName }: Pick<StartedBuild, 'appName'>): string {
  return `urn:berth:app:${encodeURIComponent(appName)}`;
}

function resolved({ build, result, baseImages, rebasedFrom }: ProvenanceFacts, source: string): Resource[] {
  const stack = result.layers.filter(({ name }) => /^stack( \d+)?$/.test(name));
  return [
    { uri: source, digest: { gitCommit: build.commit, gitTree: build.tree } },
    ...stack.map(({ name, diffId }) => ({ name, digest: sha256(diffId) })),
    ...result.details.flatMap(buildpack),
    ...baseImages.map(({ name, digest }) => ({
      uri: `docker://${withoutPassword(name)}`,
      ...(digest === undefined ? {} : { digest: sha256(digest) }),
    })),
    ...(rebasedFrom === undefined ? [] : [{ name: 'image before the rebase', digest: sha256(rebasedFrom) }]),
  ];
}

/** "Buildpack https://… at commit 0123…", as builds with classic buildpacks say it. */
function buildpack(detail: string): Resource[] {
  const [, name, kind, pin] =
    /^Buildpack (\S+) at (commit|archive|content) ([0-9a-f]{12,64})$/.exec(detail) ?? [];
  if (name === undefined || kind === undefined || pin === undefined) return [];
  const uri = withoutPassword(name);
  if (kind === 'commit') return [{ uri, digest: { gitCommit: pin } }];
  return [{ uri, ...(pin.length === 64 ? { digest: { sha256: pin } } : { name: `${kind} ${pin}` }) }];
}

function sha256(digest: string): Record<string, string> {
  return { sha256: digest.replace(/^sha256:/, '') };
}

/** Whatever stands between "://" and "@", and the query, where tokens travel too. */
export function withoutPassword(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/]*@/g, '$1').replace(/(\w:\/\/[^\s?#]*)\?[^\s#]*/g, '$1');
}
