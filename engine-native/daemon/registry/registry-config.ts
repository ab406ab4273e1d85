// The registry's settings: their shape, and how `host:port` and the rest are read. Called by config.ts of the daemon; starts nothing.
import { type Setting, text } from '@berth/kit/config.ts';
import type { AnonymousAccess } from './access.ts';
import type { ProxiedRegistry } from './proxy-cache.ts';

export interface RegistryConfig {
  host: string;
  /** 0: any free port. */
  port: number;
  anonymous: AnonymousAccess;
  cert: string | undefined;
  key: string | undefined;
  isInsecureAllowed: boolean;
  publicUrl: string | undefined;
  proxied: ProxiedRegistry[];
}

function anonymousAccess(raw: string): AnonymousAccess {
  if (raw === 'none' || raw === 'pull' || raw === 'all') return raw;
  throw new Error('must be none, pull or all');
}

function listenAddress(raw: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(raw);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new Error('must be host:port');
  return { host: match[1] ?? match[2] ?? '', port };
}

function webAddress(raw: string): string {
  if (!/^https?:\/\/[a-zA-Z0-9.:[\]-]+\/?$/.test(raw)) throw new Error('must be http(s)://host[:port]');
  return raw;
}

function yesOrNo(raw: string): boolean {
  if (raw !== 'yes' && raw !== 'no') throw new Error('must be yes or no');
  return raw === 'yes';
}

/** `hub=docker.io,quay=quay.io` */
function proxiedRegistries(raw: string): ProxiedRegistry[] {
  return raw.split(',').map((entry) => {
    const match = /^([a-z0-9]+(?:-[a-z0-9]+)*)=([a-zA-Z0-9.-]+(?::\d{1,5})?)$/.exec(entry.trim());
    if (!match) throw new Error('must be prefix=host[:port], several with commas between');
    return { prefix: match[1] ?? '', host: match[2] ?? '' };
  });
}

const none = undefined;

export const registrySettings = {
  BERTH_ENGINE_REGISTRY: {
    about: 'host:port the registry listens on; off when not set',
    parse: listenAddress,
    fallback: none,
  } as Setting<{ host: string; port: number } | undefined>,
  BERTH_ENGINE_REGISTRY_ANONYMOUS: {
    about: 'what everybody may do without a login: none, pull or, on loopback, all',
    parse: anonymousAccess,
    fallback: 'none',
  } as Setting<AnonymousAccess>,
  BERTH_ENGINE_REGISTRY_CERT: text('file with the certificate of the registry, PEM', ''),
  BERTH_ENGINE_REGISTRY_KEY: text('file with the key of that certificate, PEM', ''),
  BERTH_ENGINE_REGISTRY_PLAIN: {
    about: 'yes: plain HTTP to other machines, as behind a proxy that ends TLS',
    parse: yesOrNo,
    fallback: false,
  } as Setting<boolean>,
  BERTH_ENGINE_REGISTRY_PROXY: {
    about: 'registries whose images are pulled through this one and kept, as in hub=docker.io',
    parse: proxiedRegistries,
    fallback: [],
  } as Setting<ProxiedRegistry[]>,
  BERTH_ENGINE_REGISTRY_URL: {
    about: 'where clients reach the registry when a proxy stands in front of it',
    parse: webAddress,
    fallback: none,
  } as Setting<string | undefined>,
};

type RegistryValues = {
  [K in keyof typeof registrySettings]: (typeof registrySettings)[K] extends Setting<infer T> ? T : never;
};

/** undefined when the registry is off. */
export function registryConfig(values: RegistryValues): RegistryConfig | undefined {
  const listen = values.BERTH_ENGINE_REGISTRY;
  if (!listen) return undefined;
  return {
    ...listen,
    anonymous: values.BERTH_ENGINE_REGISTRY_ANONYMOUS,
    cert: values.BERTH_ENGINE_REGISTRY_CERT || undefined,
    key: values.BERTH_ENGINE_REGISTRY_KEY || undefined,
    isInsecureAllowed: values.BERTH_ENGINE_REGISTRY_PLAIN,
    publicUrl: values.BERTH_ENGINE_REGISTRY_URL,
    proxied: values.BERTH_ENGINE_REGISTRY_PROXY,
  };
}
