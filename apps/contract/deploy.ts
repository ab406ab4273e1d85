// What a deploy without git is asked for: `POST /v1/apps/:app/deploys`. Its answer is newline-delimited JSON of OutputLine (release.ts).
import { type Static, Type } from '@sinclair/typebox';

/** What the body may be: a tar, plain or packed with gzip or zstd; which of them is told by its first bytes. */
export const archiveTypes = [
  'application/x-tar',
  'application/gzip',
  'application/x-gzip',
  'application/zstd',
  'application/octet-stream',
] as const;

/** The body of an image deploy, as application/json. */
export const ImageDeploy = Type.Object(
  {
    image: Type.String({
      minLength: 1,
      maxLength: 512,
      pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@-]*$',
      description: 'a name in a registry with tag or digest, or the id of an image that the engine has',
    }),
    force: Type.Optional(Type.Boolean({ description: 'a release even when the image is the current one' })),
  },
  { additionalProperties: false },
);
export type ImageDeploy = Static<typeof ImageDeploy>;

export const DeployQuery = Type.Object(
  {
    enter: Type.Boolean({
      default: false,
      description: 'where the archive holds nothing but one folder, the app is in there',
    }),
    noCache: Type.Boolean({ default: false, description: 'take nothing of the app that was made earlier' }),
  },
  { additionalProperties: false },
);
export type DeployQuery = Static<typeof DeployQuery>;
