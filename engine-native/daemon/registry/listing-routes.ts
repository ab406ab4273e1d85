// What there is: tags of a repository, who refers to a manifest, and the catalog of repositories. Registered by registry-server.ts.
// Must never name a repository to somebody who may not pull from it.
import { checkDigest } from './blob-routes.ts';
import { indexType } from './parse-manifest.ts';
import {
  answer,
  pageOf,
  type RegistryCall,
  type RegistryParts,
  type RegistryRoute,
} from './registry-call.ts';
import { RegistryError } from './registry-error.ts';
import type { Referrer } from './upstream.ts';

const maxTagsPage = 10_000; // of one answer; the rest follows by its Link
const maxCatalogPage = 1000;
const maxReferrersPage = 200; // with their annotations, some hundred kilobytes

export function listingRoutes(parts: RegistryParts): RegistryRoute[] {
  return [
    {
      methods: ['GET'],
      pattern: /^\/v2\/(.+)\/tags\/list$/,
      action: 'pull',
      handle: (call) => listTags(call, parts),
    },
    {
      methods: ['GET'],
      pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
      action: 'pull',
      handle: (call) => listReferrers(call, parts),
    },
    {
      methods: ['GET'],
      pattern: /^\/v2\/_catalog$/,
      action: 'pull',
      handle: (call) => listRepositories(call, parts),
    },
  ];
}

async function listTags(
  { name, query, response }: RegistryCall,
  { repositories, upstream }: RegistryParts,
): Promise<void> {
  const others = upstream.tags(name);
  if (others.length === 0 && !(await repositories.exists(name)))
    throw new RegistryError('NAME_UNKNOWN', `repository "${name}" is not known here`);
  const tags = new Set([...(await repositories.tags(name)), ...others]);
  const page = pageOf([...tags].sort(), query, maxTagsPage);
  answer(response, 200, nextPage(`/v2/${name}/tags/list`, page.more), { name, tags: page.names });
}

async function listRepositories(
  { query, response, may }: RegistryCall,
  { repositories }: RegistryParts,
): Promise<void> {
  const visible: string[] = [];
  for (const name of await repositories.names()) if (await may('pull', name)) visible.push(name);
  const page = pageOf(visible, query, maxCatalogPage);
  answer(response, 200, nextPage('/v2/_catalog', page.more), { repositories: page.names });
}

async function listReferrers(call: RegistryCall, { repositories, upstream }: RegistryParts): Promise<void> {
  const { name, query, response } = call;
  const subject = checkDigest(call.rest);
  const artifactType = query.get('artifactType');
  const all: Referrer[] = [
    ...(await repositories.referrers(name, subject)),
    ...upstream.referrers(name, subject),
  ];
  const found = [...new Map(all.map((record) => [record.digest, record])).values()]
    .filter((record) => artifactType === null || record.artifactType === artifactType)
    .sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const last = query.get('last') ?? '';
  const after = found.filter(({ digest }) => digest > last);
  const page = after.slice(0, maxReferrersPage);
  const next = new URLSearchParams({
    last: page.at(-1)?.digest ?? '',
    ...(artifactType === null ? {} : { artifactType }),
  });
  const headers = {
    'Content-Type': indexType,
    ...(artifactType === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
    ...nextPage(`/v2/${name}/referrers/${subject}`, after.length > page.length ? next.toString() : undefined),
  };
  const manifests = page.map(({ mediaType, size, digest, artifactType: type, annotations }) => ({
    mediaType,
    size,
    digest,
    ...(type === undefined ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations }),
  }));
  answer(response, 200, headers, { schemaVersion: 2, mediaType: indexType, manifests });
}

function nextPage(path: string, query: string | undefined): Record<string, string> {
  return query === undefined ? {} : { Link: `<${path}?${query}>; rel="next"` };
}
