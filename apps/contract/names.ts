// Names and patterns that several parts must agree on. Imports nothing but the schema library.
import { type Static, Type } from '@sinclair/typebox';

/** Lower-case letters, digits and inner hyphens, 2..30 long, starting with a letter: a DNS label with room for prefixes. */
export const appNamePattern = '^[a-z][a-z0-9-]{0,28}[a-z0-9]$';
export const AppName = Type.String({ pattern: appNamePattern, description: 'name of an app' });
export type AppName = Static<typeof AppName>;

/** Names that would shadow the platform's own hosts and paths. */
export const reservedAppNames: ReadonlySet<string> = new Set([
  'api',
  'admin',
  'app',
  'apps',
  'berth',
  'dashboard',
  'git',
  'internal',
  'localhost',
  'login',
  'logs',
  'registry',
  'status',
  'v1',
  'www',
]);

/** POSIX environment variable names (XCU 8.1, plus lower case as shells accept). */
export const configKeyPattern = '^[A-Za-z_][A-Za-z0-9_]{0,127}$';
export const ConfigKey = Type.String({ pattern: configKeyPattern });

/** Keys the platform sets itself for each instance. */
export const reservedConfigKeys: ReadonlySet<string> = new Set([
  'PORT',
  'BERTH_APP',
  'BERTH_RELEASE',
  'BERTH_INSTANCE',
  'BERTH_PROCESS',
]);

export const processTypePattern = '^[a-z][a-z0-9_-]{0,30}$';
export const ProcessType = Type.String({ pattern: processTypePattern });

/** Process types that never run as part of a formation. `release` is the release phase, `run` a one-off. */
export const unscaledProcessTypes: ReadonlySet<string> = new Set(['release', 'run']);

export const Timestamp = Type.String({ format: 'date-time' });
export const Id = Type.String({ minLength: 1, maxLength: 64 });
/** A full git object id, SHA-1 or SHA-256. */
export const oidPattern = '^(?:[0-9a-f]{40}|[0-9a-f]{64})$';
export const Oid = Type.String({ pattern: oidPattern });
/** An image's id: the digest of its config, as the engine prints it. */
export const ImageId = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });
