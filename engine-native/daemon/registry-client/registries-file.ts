// What the operator says about registries (BERTH_ENGINE_REGISTRIES, a JSON file): mirrors, a private CA, plain HTTP. Read anew for every pull and
// push, so that a change needs no restart. Holds no credentials: those come with each request and are never kept.
import { readFileSync } from 'node:fs';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { defaultDomain } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';
import { TokenCache } from './token-cache.ts';

/**
 * `{"registries": {"docker.io": {"mirrors": ["https://mirror.example/cache"]}, "10.0.0.5:5000": {"insecure": true},
 * "registry.example": {"ca": "/etc/berth/registry.pem"}}}`
 */
export interface RegistrySettings {
  /** Asked in this order before the registry itself, for pulls only: `host`, or a URL with an optional path. */
  mirrors: string[];
  /** Plain HTTP and certificates that nobody vouches for are accepted. */
  insecure: boolean;
  /** PEM file of authorities to trust beside the system's; "" = none. */
  ca: string;
}

export type RegistriesFile = ReadonlyMap<string, RegistrySettings>;

/** What the engine knows about registries in general; it holds no connection and is cheap to have. */
export class Registries {
  readonly tokens = new TokenCache();
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  read(): RegistriesFile {
    return readRegistriesFile(this.#path);
  }

  /** For `docker info`. A file that is wrong is told by the next pull, not here. */
  describe(): object {
    let file: RegistriesFile = new Map();
    try {
      file = this.read();
    } catch {
      // said above
    }
    const IndexConfigs: Record<string, object> = {};
    for (const [name, { mirrors, insecure }] of file)
      IndexConfigs[name] = {
        Name: name,
        Mirrors: mirrors,
        Secure: !insecure,
        Official: name === defaultDomain,
      };
    return {
      IndexConfigs,
      InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
      Mirrors: file.get(defaultDomain)?.mirrors ?? [],
    };
  }
}

const known = ['mirrors', 'insecure', 'ca'];

/** `path` "": nothing is configured. A file that is missing or wrong is an error that says so: guessing could send a pull elsewhere. */
export function readRegistriesFile(path: string): RegistriesFile {
  if (path === '') return new Map();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AppError('invalid', `the registries file "${path}" cannot be read: ${systemCode(cause)}`, {
      hint: 'see BERTH_ENGINE_REGISTRIES',
      cause,
    });
  }
  try {
    return parseRegistries(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('invalid', `the registries file "${path}" is wrong: ${reason}`, { cause });
  }
}

export function parseRegistries(value: unknown): RegistriesFile {
  const registries = new JsonFields(value).object('registries');
  const settings = new Map<string, RegistrySettings>();
  for (const host of registries?.keys() ?? []) {
    const fields = registries?.object(host);
    if (!fields) continue;
    const unknown = fields.keys().find((key) => !known.includes(key));
    if (unknown !== undefined)
      throw new AppError('invalid', `"${host}" has an unknown setting "${unknown}"`, {
        hint: `use ${known.join(', ')}`,
      });
    settings.set(host, {
      mirrors: fields.texts('mirrors') ?? [],
      insecure: fields.flag('insecure') ?? false,
      ca: fields.text('ca') ?? '',
    });
  }
  return settings;
}
