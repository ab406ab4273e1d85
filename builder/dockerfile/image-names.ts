// Names of images as Dockerfiles write them: which of Docker Hub's official images, which tag; and the patterns of the sources table. Pure.

export interface ImageName {
  /** With its registry: "docker.io/library/node". */
  repository: string;
  /** "latest" when there is none; a digest counts for nothing here. */
  tag: string;
  /** "node", when it is an official image of Docker Hub. */
  official: string | undefined;
}

const hub = 'docker.io';

export function parseImageName(text: string): ImageName {
  const [name = ''] = text.split('@');
  const slash = name.lastIndexOf('/');
  const colon = name.indexOf(':', slash + 1);
  const path = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? 'latest' : name.slice(colon + 1);
  const repository = withRegistry(path);
  return { repository, tag, official: /^docker\.io\/library\/([^/]+)$/.exec(repository)?.[1] };
}

function withRegistry(path: string): string {
  const [first = '', ...rest] = path.replace(/^index\.docker\.io\//, `${hub}/`).split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (!hasRegistry) return rest.length === 0 ? `${hub}/library/${path}` : `${hub}/${path}`;
  return first === hub && rest.length === 1 ? `${hub}/library/${rest[0]}` : [first, ...rest].join('/');
}

/** A pattern is a name in which `*` stands for anything; without a tag it means every tag. The longest that fits wins. */
export function matchingImage(
  { repository, tag }: ImageName,
  rules: readonly { pattern: string; image: string }[],
): string | undefined {
  const name = `${repository}:${tag}`;
  const fitting = rules.filter(({ pattern }) => asRegExp(pattern).test(name));
  return fitting.toSorted((one, other) => other.pattern.length - one.pattern.length)[0]?.image;
}

function asRegExp(pattern: string): RegExp {
  const hasTag = pattern.indexOf(':', pattern.lastIndexOf('/') + 1) >= 0;
  const { repository, tag } = parseImageName(hasTag ? pattern : `${pattern}:*`);
  const escaped = `${repository}:${tag}`.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`);
}

export interface ImageTag {
  /** "24", "lts", "3.13.5"; "" when the tag asks for none. */
  version: string;
  /** "slim", "bookworm", "jdk". */
  words: readonly string[];
  isSlim: boolean;
  isAlpine: boolean;
}

/** "24.1.0-bookworm-slim" */
export function parseTag(tag: string): ImageTag {
  const words = tag.toLowerCase().split('-');
  const [first = ''] = words;
  const isVersion = /^v?\d/.test(first);
  return {
    version: isVersion ? first.replace(/^v/, '') : '',
    words: isVersion ? words.slice(1) : words,
    isSlim: words.includes('slim'),
    isAlpine: words.some((word) => word.startsWith('alpine')),
  };
}
